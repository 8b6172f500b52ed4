import { randomBytes } from 'node:crypto';

/** Addresses of the two files of the webview, as the webview sees them. */
export interface PanelFiles {
  cspSource: string;
  script: string;
  style: string;
}

/** The panel's page: nothing may be loaded but our own script and style, nothing may be sent anywhere. */
export function panelHtml(files: PanelFiles, nonce = newNonce()): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${files.cspSource} 'nonce-${nonce}'`,
    // a drawing becomes a picture file by way of an image that holds it
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LM Transparency</title>
<link rel="stylesheet" href="${escape(files.style)}">
</head>
<body>
<div id="root"></div>
<script nonce="${nonce}" type="module" src="${escape(files.script)}"></script>
</body>
</html>`;
}

function newNonce(): string {
  return randomBytes(24).toString('base64url');
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

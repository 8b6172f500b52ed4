// Bundles the webview into dist/main.js and dist/main.css, the exported page's template, and the development page.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, 'dist');
const watch = process.argv.includes('--watch');

const shared = {
  absWorkingDir: here,
  bundle: true,
  format: 'iife',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
};
const product = {
  ...shared,
  entryPoints: { main: 'src/main.tsx' },
  outdir: dist,
  minify: !watch,
  sourcemap: watch ? 'inline' : false,
};
const page = { ...shared, entryPoints: { dev: 'dev/dev.ts' }, outdir: dist, minify: false };

// Recordings travel inside a script, so that the page works from the file system.
async function writeRecordings() {
  const folder = path.join(here, 'dev');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.msgpack'));
  const entries = await Promise.all(
    names.map(async (name) => [
      path.basename(name, '.msgpack'),
      (await readFile(path.join(folder, name))).toString('base64'),
    ]),
  );
  await writeFile(
    path.join(dist, 'recordings.js'),
    `window.recordings = ${JSON.stringify(Object.fromEntries(entries))};\n`,
  );
  await copyFile(path.join(folder, 'dev.html'), path.join(dist, 'dev.html'));
}

/**
 * One file that holds everything: dist/page.html. Two placeholders are left to be replaced, as text:
 * __LM_TRANSPARENCY_TITLE__ (HTML-escaped) and __LM_TRANSPARENCY_PAGE__ (JSON, every < as \u003c).
 */
async function writePage() {
  const bundle = await build({
    ...product,
    entryPoints: { page: 'src/page.tsx' },
    minify: true,
    sourcemap: false,
    write: false,
  });
  const textOf = (ending) => bundle.outputFiles.find((file) => file.path.endsWith(ending)).text.trim();
  // Nothing in the script may end its element.
  const script = textOf('.js')
    .replace(/<\/(script)/gi, '<\\/$1')
    .replace(/<!--/g, '<\\!--');
  const style = textOf('.css');
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const parts = {
    policy: `<meta http-equiv="Content-Security-Policy" content="${policy}" />`,
    style: `<style>${style}</style>`,
    script: `<script>${script}</script>`,
  };
  const template = await readFile(path.join(here, 'page.html'), 'utf8');
  await writeFile(
    path.join(dist, 'page.html'),
    template.replace(/<!-- (policy|style|script) -->/g, (_, name) => parts[name]),
  );
}

/** What a notebook needs around the page: a widget (a module) and a script for the notebook's own page. */
async function writeNotebook() {
  const options = { ...shared, outdir: dist, minify: true };
  await Promise.all([
    build({ ...options, format: 'esm', entryPoints: { 'notebook-bridge': 'src/hosts/notebook/bridge.ts' } }),
    build({ ...options, entryPoints: { 'notebook-surroundings': 'src/hosts/notebook/surroundings.ts' } }),
  ]);
}

await mkdir(dist, { recursive: true });
await writeRecordings();
if (watch) {
  for (const options of [product, page]) await (await context(options)).watch();
} else {
  await Promise.all([build(product), build(page), writePage(), writeNotebook()]);
}

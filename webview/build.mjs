// Bundles the webview into dist/main.js and dist/main.css, and the development page beside them.
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

await mkdir(dist, { recursive: true });
await writeRecordings();
if (watch) {
  for (const options of [product, page]) await (await context(options)).watch();
} else {
  await Promise.all([build(product), build(page)]);
}

// The npm workspaces, the bundles and packages built with them, and code-server.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { codeServerIsThere, ensureCodeServer } from '../host/install.mjs';
import { repositoryPython, repositoryRoot } from '../host/paths.mjs';

/** @typedef {import('./runner.mjs').Stage} Stage */

const backend = 'python_backend/lm_transparency';
/** Bundles that belong to the Python package: the page that an export fills in, and the scripts of a notebook. */
const generated = {
  'page.html': `${backend}/exports/page.html`,
  'notebook-bridge.js': `${backend}/notebook/notebook-bridge.js`,
  'notebook-surroundings.js': `${backend}/notebook/notebook-surroundings.js`,
};
const sourceRemedy = 'Fix the errors in the log, then run it again.';

/** @type {Stage[]} */
export const nodeStages = [
  {
    name: 'npm',
    title: 'npm packages',
    inputs: ['', 'extension/', 'webview/', 'tests/e2e/']
      .map((folder) => `${folder}package.json`)
      .concat('package-lock.json'),
    digest: dependenciesOf,
    outputs: ['node_modules/.package-lock.json'],
    isInstaller: true,
    remedy: 'Check the connection and the proxy and registry settings (`npm config list`), then run it again.',
    work: ({ run }) => run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error']),
  },
  {
    name: 'webview',
    title: 'Webview',
    needs: ['npm'],
    inputs: ['webview', 'extension/shared'],
    except: ['webview/dist'],
    outputs: ['webview/dist/main.js', 'webview/dist/main.css', ...Object.values(generated)],
    remedy: sourceRemedy,
    async work({ run }) {
      await run(['npm', 'run', '--silent', 'build', '-w', 'webview']);
      for (const [name, target] of Object.entries(generated))
        copyFileSync(join(repositoryRoot, 'webview', 'dist', name), join(repositoryRoot, target));
    },
  },
  {
    name: 'wheel',
    title: "Backend's wheel",
    needs: ['webview'],
    after: ['python'],
    inputs: [backend, 'pyproject.toml', 'README.md', 'LICENSE'],
    except: Object.values(generated),
    outputs: ['dist/wheel'],
    remedy: sourceRemedy,
    async work({ run }) {
      // setuptools would pack leftovers of an earlier build
      for (const folder of ['build', 'dist/wheel'])
        rmSync(join(repositoryRoot, folder), { recursive: true, force: true });
      // not through pip, which takes longer than the build itself
      const build =
        'import os; from setuptools import build_meta; os.makedirs("dist/wheel"); build_meta.build_wheel("dist/wheel")';
      await run([repositoryPython(), '-c', build]);
    },
  },
  {
    name: 'extension',
    title: 'Extension',
    needs: ['webview', 'wheel'],
    inputs: [
      'extension/src',
      'extension/shared',
      'extension/esbuild.mjs',
      'extension/README.md',
      'docs',
      'LICENSE',
      'CHANGELOG.md',
      'constraints.txt',
    ],
    outputs: ['extension/dist/extension.js'],
    remedy: sourceRemedy,
    work: ({ run }) => run(['npm', 'run', '--silent', 'build', '-w', 'extension']),
  },
  {
    name: 'vsix',
    title: 'VSIX',
    needs: ['extension'],
    inputs: ['extension'],
    except: ['dist', 'backend', 'src', 'shared', 'LICENSE', 'CHANGELOG.md'].map((name) => `extension/${name}`),
    outputs: ['dist/lm-transparency.vsix'],
    remedy: sourceRemedy,
    work: ({ run }) =>
      run(['npm', 'run', '--silent', 'package', '-w', 'extension', '--', '../dist/lm-transparency.vsix']),
  },
  {
    name: 'code-server',
    title: 'code-server, a VS Code for the browser',
    // its pip fetches the Node that code-server runs on
    after: ['venv'],
    isDone: codeServerIsThere,
    remedy:
      "Check the connection and the settings of pip and npm, then run it again. With VS Code's `code` on the PATH, `make run` does without.",
    work: async ({ log, say }) => {
      await ensureCodeServer({
        log,
        step: (name, work) => {
          say(name);
          return work();
        },
      });
    },
  },
];

/** The parts of a package.json that affect what npm installs. @param {string} file @param {string} content */
function dependenciesOf(file, content) {
  if (file === 'package-lock.json') return content;
  const { workspaces, dependencies, devDependencies, optionalDependencies, overrides } = JSON.parse(content);
  return JSON.stringify({ workspaces, dependencies, devDependencies, optionalDependencies, overrides });
}

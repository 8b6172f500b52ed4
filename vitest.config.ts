import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: { alias: { vscode: at('./tests/extension/vscode.fake.ts') } },
  test: {
    // of two cores it would leave one free
    maxWorkers: availableParallelism(),
    include: ['tests/{extension,scripts}/**/*.test.ts', 'tests/webview/**/*.test.{ts,tsx}'],
  },
});

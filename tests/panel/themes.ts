// What VS Code writes into a webview by theme: LMT_WRITE_THEMES=1 makes tests/e2e/themes.test.ts take it from the real window.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../scripts/host/paths.mjs';

export const THEMES = ['dark', 'light', 'highContrast', 'highContrastLight'] as const;
export type ThemeName = (typeof THEMES)[number];

export interface Look {
  /** Variables of the root element. */
  variables: Record<string, string>;
  bodyClass: string;
}

export const lookFile = (theme: ThemeName): string =>
  join(repositoryRoot, 'tests', 'vectors', 'panel', `theme-${theme}.json`);

export const look = (theme: ThemeName): Look => JSON.parse(readFileSync(lookFile(theme), 'utf8')) as Look;

/** The variables that the panel's style asks for. */
export function variablesOf(style: string): string[] {
  return [...new Set(style.match(/--vscode-[\w-]+/g))].sort();
}

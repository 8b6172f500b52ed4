/**
 * The colour themes under test: the identity in settings, the name in the theme picker, the class of the workbench, and
 * what webviews call their kind.
 */
export const themes = {
  dark: { id: 'Dark Modern', label: 'Dark Modern', workbenchClass: 'vs-dark', kind: 'vscode-dark' },
  light: { id: 'Light Modern', label: 'Light Modern', workbenchClass: 'vs', kind: 'vscode-light' },
  highContrast: {
    id: 'Default High Contrast',
    label: 'Dark High Contrast',
    workbenchClass: 'hc-black',
    kind: 'vscode-high-contrast',
  },
  highContrastLight: {
    id: 'Default High Contrast Light',
    label: 'Light High Contrast',
    workbenchClass: 'hc-light',
    kind: 'vscode-high-contrast-light',
  },
} as const;

/** One of the colour themes under test. */
export type Theme = keyof typeof themes;

/** All themes under test, for tests that go through them. */
export const allThemes = Object.keys(themes) as Theme[];

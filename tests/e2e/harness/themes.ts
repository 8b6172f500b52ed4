/** The colour themes under test: the identity in settings, the name in the theme picker, the class of the workbench. */
export const themes = {
  dark: { id: 'Dark Modern', label: 'Dark Modern', workbenchClass: 'vs-dark' },
  light: { id: 'Light Modern', label: 'Light Modern', workbenchClass: 'vs' },
  highContrast: { id: 'Default High Contrast', label: 'Dark High Contrast', workbenchClass: 'hc-black' },
  highContrastLight: { id: 'Default High Contrast Light', label: 'Light High Contrast', workbenchClass: 'hc-light' },
} as const;

/** One of the colour themes under test. */
export type Theme = keyof typeof themes;

/** All themes under test, for tests that go through them. */
export const allThemes = Object.keys(themes) as Theme[];

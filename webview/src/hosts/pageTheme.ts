/** Light and dark in a standalone page: the system's setting until the reader switches. */

const CLASSES = { light: 'vscode-light', dark: 'vscode-dark' } as const;
type Appearance = keyof typeof CLASSES;

/** Returns how to stop following the system. */
export function startTheme(): () => void {
  const system = window.matchMedia('(prefers-color-scheme: light)');
  let chosen: Appearance | null = null;
  const button = document.getElementById('appearance');
  const apply = (): void => {
    const appearance = chosen ?? (system.matches ? 'light' : 'dark');
    const other = appearance === 'light' ? 'dark' : 'light';
    document.body.classList.remove(...Object.values(CLASSES));
    document.body.classList.add(CLASSES[appearance]);
    button?.setAttribute('aria-label', `Switch to ${other} colors`);
    button?.setAttribute('title', `Switch to ${other} colors`);
  };
  system.addEventListener('change', apply);
  button?.addEventListener('click', () => {
    chosen = document.body.classList.contains(CLASSES.light) ? 'dark' : 'light';
    apply();
  });
  apply();
  return () => system.removeEventListener('change', apply);
}

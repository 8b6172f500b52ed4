/** The editor's colours, read from its variables for the canvas. */

export interface Palette {
  background: string;
  foreground: string;
  dim: string;
  band: string;
  column: string;
  attention: string;
  /** Attention whose effect is yet to come. */
  awaited: string;
  /** An effect that supports the target, or opposes it. */
  supports: string;
  opposes: string;
  residual: string;
  ffn: string;
  mixer: string;
  /** Selection, the target's chip and the mass it draws from the prompt: the one warm colour. */
  selection: string;
  focus: string;
  /** High contrast: stronger strokes, no faint ink. */
  contrast: boolean;
  light: boolean;
  uiFont: string;
  tokenFont: string;
}

export function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const read = (fallback: string, ...names: string[]): string => {
    for (const name of names) {
      const value = style.getPropertyValue(`--vscode-${name}`).trim();
      if (value !== '') return value;
    }
    return fallback;
  };
  const classes = document.body.classList;
  const contrast = classes.contains('vscode-high-contrast') || classes.contains('vscode-high-contrast-light');
  const light = classes.contains('vscode-light') || classes.contains('vscode-high-contrast-light');
  const foreground = read(light ? '#3b3b3b' : '#cccccc', 'foreground', 'editor-foreground');
  const dim = contrast ? foreground : read(light ? '#717171' : '#9d9d9d', 'descriptionForeground');
  const attention = read('#3794ff', 'charts-blue');
  const own = (name: string, fallback: string): string => style.getPropertyValue(`--lmt-${name}`).trim() || fallback;
  return {
    background: read(light ? '#ffffff' : '#1f1f1f', 'editor-background'),
    foreground,
    dim,
    band: foreground,
    column: contrast ? read(foreground, 'contrastActiveBorder', 'contrastBorder') : read('#3794ff', 'charts-blue'),
    attention,
    awaited: `color-mix(in srgb, ${attention} 40%, ${dim})`,
    supports: own('supports', attention),
    opposes: own('opposes', light ? '#b3206a' : '#ee7ba6'),
    residual: contrast ? read(foreground, 'contrastBorder') : foreground,
    ffn: read('#b180d7', 'charts-purple'),
    mixer: read('#89d185', 'charts-green'),
    selection: warm(style, light, contrast),
    focus: read('#3794ff', contrast ? 'contrastActiveBorder' : 'focusBorder', 'focusBorder'),
    contrast,
    light,
    uiFont: read('system-ui, sans-serif', 'font-family'),
    tokenFont: read('monospace', 'editor-font-family'),
  };
}

/** One orange for canvas and style sheet: the style sheet decides it (`--lmt-warm`). */
function warm(style: CSSStyleDeclaration, light: boolean, contrast: boolean): string {
  const value = style.getPropertyValue('--lmt-warm').trim();
  if (value !== '' && !value.startsWith('var(')) return value;
  return light ? '#c25e00' : contrast ? '#f38518' : '#f2a33c';
}

// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';

const css = ['heads', 'states'].map((name) => readFileSync(`webview/src/styles/${name}.css`, 'utf8')).join('\n');

/** How what is from before looks in a theme. */
function look(theme: string, inner: string): { opacity: string; outline: string; colour: string } {
  document.body.className = theme;
  document.body.innerHTML = inner;
  const style = getComputedStyle(document.querySelector('.looked-at') ?? document.body);
  return { opacity: style.opacity, outline: style.outlineStyle, colour: style.outlineColor };
}

const OLD = '<main class="graph updating"><div class="view looked-at"></div></main>';
const NEW = OLD.replace(' updating', '');
const STALE = '<div class="stale looked-at"></div>';

describe('an outdated graph or map', () => {
  beforeEach(() => {
    document.head.innerHTML = `<style>:root { --vscode-contrastBorder: #6fc3df } ${css}</style>`;
  });

  it('is dimmed in usual themes', () => {
    expect(look('vscode-dark', OLD)).toMatchObject({ opacity: '0.62', outline: '' });
    expect(look('vscode-dark', STALE)).toMatchObject({ opacity: '0.5', outline: '' });
    expect(look('vscode-dark', NEW).opacity).not.toBe('0.62');
  });

  it.each(['vscode-high-contrast', 'vscode-high-contrast vscode-high-contrast-light', 'vscode-high-contrast-light'])(
    'keeps its contrast and has a frame in %s',
    (theme) => {
      for (const old of [OLD, STALE])
        expect(look(theme, old)).toEqual({ opacity: '1', outline: 'dashed', colour: '#6fc3df' });
      expect(look(theme, NEW).colour).toBe('transparent');
    },
  );
});

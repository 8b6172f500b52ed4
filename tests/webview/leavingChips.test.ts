// @vitest-environment happy-dom
/** The chips at the border are reached with the keyboard, which stays in the graph when they go. */
import { h, render } from 'preact';
import { expect, it, vi } from 'vitest';
import { LeavingChips } from '../../webview/src/graph/leavingChips';
import { createGraphView } from '../../webview/src/graph/view';
import type { GraphView } from '../../webview/src/graph/view';
import { analysisMessage } from './host';
import { useLiveStore } from './liveStore';
import type { Store } from './liveStore';

let store: Store;
let view: GraphView;
useLiveStore((host, made) => {
  store = made;
  host.say(analysisMessage({ nTokens: 400, nLayers: 3, density: 6 }));
  view = createGraphView(store);
  view.size.value = { width: 700, height: 500 };
  view.follow();
});

it('are buttons that Tab reaches, whose keys are not the graph’s', () => {
  const reveal = vi.spyOn(view, 'reveal');
  view.changeColumns(store.unfoldAll);
  const heard = vi.fn();
  document.body.innerHTML = '<div class="stage" tabindex="0"><div id="chips"></div></div>';
  const stage = document.querySelector<HTMLElement>('.stage');
  stage?.addEventListener('keydown', heard);
  render(h(LeavingChips, { store, view }), document.getElementById('chips') as HTMLElement);
  const [chip, ...others] = document.querySelectorAll<HTMLElement>('button.leaving');
  expect([chip, ...others].every((one) => one?.tabIndex === 0)).toBe(true);
  chip?.focus();
  for (const key of ['Enter', ' ']) chip?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  expect(heard).not.toHaveBeenCalled();
  chip?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
  expect(heard).toHaveBeenCalledOnce();
  chip?.click();
  expect(reveal).toHaveBeenCalledOnce();
  expect(document.activeElement).toBe(stage);
});

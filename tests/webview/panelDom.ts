/** The mounted panel as a test sees and uses it. */
import { expect, vi } from 'vitest';

/** Lets effects and short delays pass. In steps: on a busy machine late timers would overtake what they wait for. */
export async function settled(ms = 150): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) await new Promise((resolve) => setTimeout(resolve, STEP_MS));
}
const STEP_MS = 8;

/** Until what was asked is shown. */
export const answered = (): Promise<void> =>
  vi.waitFor(() => expect(document.querySelectorAll('.inspector [aria-busy]')).toHaveLength(0), { timeout: 3000 });

export const all = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];
export const maybe = (id: string): HTMLElement | null => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);

export function find(id: string): HTMLElement {
  const element = maybe(id);
  if (!element) throw new Error(`no ${id} in the panel`);
  return element;
}

export const text = (id: string): string => find(id).textContent ?? '';
export const rows = (id: string): string[] => all(`[data-testid="${id}"] li`).map((row) => row.textContent ?? '');
export const selection = (): string | undefined => find('inspector').dataset['selection'];

export async function click(element: HTMLElement | null | undefined): Promise<void> {
  if (!element) throw new Error('nothing to click');
  element.focus();
  element.click();
  await settled(40);
}

export async function press(key: string, on: EventTarget | null = document.activeElement): Promise<void> {
  on?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  await settled(40);
}

/** Clicks, and waits for the answer. */
export async function open(element: HTMLElement | null | undefined): Promise<void> {
  await click(element);
  await answered();
}

// The keyboard of a test: keys, and the ways that lead to a place of the panel.
import type { Locator, Page } from 'playwright-core';

/** More stops than the panel has. */
const MOST = 60;

export interface Hands {
  press(...keys: string[]): Promise<void>;
  holdsFocus(place: Locator): Promise<boolean>;
  /** Tab, or Shift+Tab, until the focus is in a place of the panel. */
  tabTo(place: Locator, key?: 'Tab' | 'Shift+Tab'): Promise<void>;
  /** Arrow keys in a group until a button of it has the focus. */
  arrowTo(button: Locator, key: string): Promise<void>;
}

export function handsOn(page: () => Page): Hands {
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page().keyboard.press(key);
  };
  const holdsFocus = (place: Locator): Promise<boolean> =>
    place.evaluate((element) => element.contains(document.activeElement)).catch(() => false);

  async function pressTo(place: Locator, key: string): Promise<void> {
    await place.waitFor();
    for (let i = 0; i < MOST; i++) {
      if (await holdsFocus(place)) return;
      await press(key);
    }
    throw new Error(`${key} does not lead there`);
  }
  return { press, holdsFocus, tabTo: (place, key = 'Tab') => pressTo(place, key), arrowTo: pressTo };
}

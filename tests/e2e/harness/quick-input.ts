import type { Locator, Page } from 'playwright-core';

const patienceMilliseconds = 30_000;
const tryMilliseconds = 3_000;

/** The quick input while it is shown: command palette, quick open, or any pick and question of a command. */
export function quickInput(page: Page): Locator {
  return page.locator('.quick-input-widget:visible');
}

/** The row of the quick input with exactly this label. */
export function quickInputRow(page: Page, label: string): Locator {
  const name = page.locator('.label-name', { hasText: new RegExp(`^\\s*${escapeForPattern(label)}\\s*$`) });
  return quickInput(page).locator('.quick-input-list .monaco-list-row').filter({ has: name }).first();
}

/** Types `text` into the quick input that is shown, and accepts the row with exactly this label. */
export async function pickInQuickInput(
  page: Page,
  text: string,
  label: string,
  timeout = patienceMilliseconds,
): Promise<void> {
  await quickInput(page).locator('input.input').fill(text, { timeout });
  const row = quickInputRow(page, label);
  await row.waitFor({ timeout });
  const isFocused = (await row.getAttribute('class', { timeout }))?.split(/\s+/).includes('focused');
  // Enter leaves the mouse where it is, so no hover appears in a screenshot; but it only takes the focused row.
  // On the input and not the page: in a window that is still opening, an editor may have taken the focus.
  if (isFocused) await quickInput(page).locator('input.input').press('Enter', { timeout });
  else await row.click({ timeout });
}

/** Opens the quick input with a key and accepts a row, trying again while commands or files are not known yet. */
export async function openQuickInputAndPick(page: Page, key: string, text: string, label: string): Promise<void> {
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    try {
      await page.keyboard.press(key);
      await pickInQuickInput(page, text, label, tryMilliseconds);
      return;
    } catch (error) {
      // The list of an open palette does not grow when an extension arrives late: it has to be opened again.
      // Only then: an Escape without a palette would reach whatever has the focus, and change it.
      if (await quickInput(page).isVisible()) await page.keyboard.press('Escape');
      if (Date.now() > deadline) throw new Error(`"${label}" was not offered for "${text}"`, { cause: error });
    }
  }
}

function escapeForPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

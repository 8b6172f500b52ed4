/** One tab stop for a group of buttons: arrows move among them. */

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Hidden, itself or through an ancestor. */
function hidden(element: HTMLElement, group: HTMLElement): boolean {
  for (let at: HTMLElement | null = element; at && at !== group; at = at.parentElement) {
    if (getComputedStyle(at).display === 'none') return true;
  }
  return false;
}

/** Key handler for a group: arrows, Home and End move the focus and the tab stop. */
export function roving(event: KeyboardEvent, group = event.currentTarget as HTMLElement | null): void {
  if (!group) return;
  if (STEPS[event.key] === undefined && event.key !== 'Home' && event.key !== 'End') return;
  const all = [...group.querySelectorAll<HTMLElement>('button:not(:disabled), [role=button]')];
  const buttons = all.filter((button) => !hidden(button, group));
  const here = buttons.indexOf(document.activeElement as HTMLElement);
  if (here < 0) return;
  const step = STEPS[event.key];
  const wanted =
    event.key === 'Home' ? 0 : event.key === 'End' ? buttons.length - 1 : step === undefined ? -1 : here + step;
  const next = buttons[wanted];
  if (!next) return;
  event.preventDefault();
  event.stopPropagation();
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}

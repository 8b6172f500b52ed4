/** Where the keyboard is when the panel gets it: VS Code gives it to the page, and to nothing in it. */

/** Targets of the keyboard's focus, in order: the graph or another view, otherwise the button of a state. */
const PLACES = ['.stage', '.view [tabindex="0"]', '.state button'];

/** Focuses the view whenever the panel has the focus but no element in it does. Returns a function that stops this. */
export function takeKeyboard(root: HTMLElement): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isPressed = false;
  const take = (): void => {
    if (!isPressed) place(root);
    isPressed = false;
  };
  // a pointer that brings the focus chooses its place itself, right after
  const onFocus = (): void => void (timer = setTimeout(take, 0));
  const onPress = (): void => void (isPressed = true);
  const onRelease = (): void => void (isPressed = false);
  window.addEventListener('focus', onFocus);
  window.addEventListener('pointerdown', onPress, true);
  window.addEventListener('pointerup', onRelease, true);
  return () => {
    clearTimeout(timer);
    window.removeEventListener('focus', onFocus);
    window.removeEventListener('pointerdown', onPress, true);
    window.removeEventListener('pointerup', onRelease, true);
  };
}

/** The focused element may be gone with its state. */
export function keepKeyboard(root: HTMLElement): void {
  if (document.hasFocus()) place(root);
}

function place(root: HTMLElement): void {
  const { activeElement } = document;
  if (activeElement !== null && activeElement !== document.body) return;
  const found = PLACES.map((selector) => root.querySelector<HTMLElement>(selector)).find((element) => element !== null);
  found?.focus({ preventScroll: true });
}

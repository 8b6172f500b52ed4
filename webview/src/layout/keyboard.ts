/** Where the keyboard is when the panel gets it: VS Code gives it to the page, and to nothing in it. */

/** What keys are for, the first that is there: the graph or another view of it, else the button of a state. */
const PLACES = ['.stage', '.view [tabindex="0"]', '.state button'];

/** Puts the keyboard on what is shown whenever the panel has it and nothing in it does. Returns how to stop. */
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

/** What had the keyboard may be gone, with the state that it was a part of. */
export function keepKeyboard(root: HTMLElement): void {
  if (document.hasFocus()) place(root);
}

function place(root: HTMLElement): void {
  const { activeElement } = document;
  if (activeElement !== null && activeElement !== document.body) return;
  const found = PLACES.map((selector) => root.querySelector<HTMLElement>(selector)).find((element) => element !== null);
  found?.focus({ preventScroll: true });
}

/** Something small that opens under a button, inside the panel: closed by Escape, by a click elsewhere, and when the focus leaves. */
import { useEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { useInside } from '../layout/inside';

export function usePopup<Opened extends HTMLElement>() {
  const open = useSignal(false);
  const anchor = useRef<HTMLSpanElement>(null);
  const popup = useRef<Opened>(null);
  const isOpen = open.value;
  useInside(popup, isOpen);
  useEffect(() => {
    if (!isOpen) return;
    const outside = (event: Event): void => {
      if (event.target instanceof Node && !anchor.current?.contains(event.target)) open.value = false;
    };
    window.addEventListener('pointerdown', outside);
    window.addEventListener('focusin', outside);
    return () => {
      window.removeEventListener('pointerdown', outside);
      window.removeEventListener('focusin', outside);
    };
  }, [isOpen, open]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !open.value) return;
    event.preventDefault();
    event.stopPropagation();
    open.value = false;
    anchor.current?.querySelector<HTMLElement>('[aria-expanded]')?.focus();
  };
  return { open, anchor, popup, onKeyDown };
}

/** How wide an element is, as it changes. */
import { useCallback, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';

const USUAL = 308;

/** A ref for the element, and its width in CSS pixels. */
export function useWidth(): [ref: (element: HTMLElement | null) => void, width: number] {
  const width = useSignal(USUAL);
  const observer = useRef<ResizeObserver | null>(null);
  const ref = useCallback(
    (element: HTMLElement | null) => {
      observer.current?.disconnect();
      observer.current = null;
      if (!element) return;
      const measure = (): void => void (width.value = element.clientWidth || USUAL);
      measure();
      observer.current = new ResizeObserver(measure);
      observer.current.observe(element);
    },
    [width],
  );
  return [ref, width.value];
}

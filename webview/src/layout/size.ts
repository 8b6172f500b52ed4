/** The size of the panel: known before it is painted, and followed. */
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import { batch } from '@preact/signals';
import type { Signal } from '@preact/signals';

interface Size {
  width: Signal<number>;
  height: Signal<number>;
}

export function useSize(element: RefObject<HTMLElement | null>, { width, height }: Size): void {
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    const measure = (): void =>
      batch(() => {
        width.value = current.clientWidth;
        height.value = current.clientHeight;
      });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, [element, width, height]);
}

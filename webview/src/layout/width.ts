/** The width of the panel: known before it is painted, and followed. */
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import type { Signal } from '@preact/signals';

export function useWidth(element: RefObject<HTMLElement | null>, width: Signal<number>): void {
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    const measure = (): void => void (width.value = current.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, [element, width]);
}

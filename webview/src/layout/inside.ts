/** Keeps floating elements inside the panel: they move away from edges, and scroll if too long. */
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

/** Pixels between a floating element and the panel's edge. */
const GAP = 4;
/** Distance from the pointer to its tooltip. */
const BESIDE = 14;

interface Span {
  from: number;
  to: number;
}

/** How far a span moves to lie within another; if it is longer, its beginning shows. */
export function shiftInto(span: Span, room: Span): number {
  if (span.from < room.from) return room.from - span.from;
  return Math.max(room.from - span.from, Math.min(0, room.to - span.to));
}

/** The start of a length placed beside a point: after it, otherwise before it, always inside the room. */
export function besidePoint(point: number, length: number, room: Span): number {
  const after = point + BESIDE;
  const from = after + length <= room.to ? after : point - BESIDE + 4 - length;
  return from + shiftInto({ from, to: from + length }, room);
}

function roomAround(element: HTMLElement): { across: Span; down: Span } {
  const { left, right, top, bottom } = (element.closest('.panel') ?? document.documentElement).getBoundingClientRect();
  return { across: { from: left + GAP, to: right - GAP }, down: { from: top + GAP, to: bottom - GAP } };
}

/** Keeps a popup inside the panel, whatever the panel's size becomes. */
export function useInside(element: RefObject<HTMLElement | null>, isOpen: boolean): void {
  useLayoutEffect(() => {
    const { current } = element;
    if (!isOpen || !current) return;
    const place = (): void => {
      Object.assign(current.style, { translate: '', maxWidth: '', maxHeight: '' });
      const { across, down } = roomAround(current);
      current.style.maxWidth = `${across.to - across.from}px`;
      const { left, right, top, bottom } = current.getBoundingClientRect();
      current.style.translate = `${shiftInto({ from: left, to: right }, across)}px 0`;
      if (bottom > down.to) Object.assign(current.style, { maxHeight: `${down.to - top}px`, overflowY: 'auto' });
    };
    place();
    window.addEventListener('resize', place);
    return () => {
      window.removeEventListener('resize', place);
      Object.assign(current.style, { translate: '', maxWidth: '', maxHeight: '', overflowY: '' });
    };
  }, [element, isOpen]);
}

/** Keeps the tooltip inside the panel; `x` and `y` are in the window, and `what` changes its size. */
export function useBeside(element: RefObject<HTMLElement | null>, x: number, y: number): void {
  // after each render: the content decides the size
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    const { across, down } = roomAround(current);
    const { width, height } = current.getBoundingClientRect();
    // the panel is the containing block of fixed elements
    current.style.left = `${besidePoint(x, width, across) - across.from + GAP}px`;
    current.style.top = `${besidePoint(y, height, down) - down.from + GAP}px`;
  });
}

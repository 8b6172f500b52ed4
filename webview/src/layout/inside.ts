/** What floats over the panel stays inside it: near an edge it moves, and what is too long scrolls. */
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

/** Pixels that stay free between what floats and the panel's edge. */
const GAP = 4;
/** From the pointer's tip to what is said of what it is on. */
const BESIDE = 14;

interface Span {
  from: number;
  to: number;
}

/** How far a span moves to lie within another; where it is longer, its beginning shows. */
export function shiftInto(span: Span, room: Span): number {
  if (span.from < room.from) return room.from - span.from;
  return Math.max(room.from - span.from, Math.min(0, room.to - span.to));
}

/** Where something of a length stands beside a point: after it, else before it, and in the room in any case. */
export function besidePoint(point: number, length: number, room: Span): number {
  const after = point + BESIDE;
  const from = after + length <= room.to ? after : point - BESIDE + 4 - length;
  return from + shiftInto({ from, to: from + length }, room);
}

function roomAround(element: HTMLElement): { across: Span; down: Span } {
  const { left, right, top, bottom } = (element.closest('.panel') ?? document.documentElement).getBoundingClientRect();
  return { across: { from: left + GAP, to: right - GAP }, down: { from: top + GAP, to: bottom - GAP } };
}

/** Keeps what hangs under its button inside the panel, whatever the panel's size becomes. */
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

/** Keeps what is said at the pointer inside the panel; `x` and `y` are of the window, and `what` changes its size. */
export function useBeside(element: RefObject<HTMLElement | null>, x: number, y: number): void {
  // after each render: what is said decides how large it is
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    const { across, down } = roomAround(current);
    const { width, height } = current.getBoundingClientRect();
    // the panel contains what is fixed in it
    current.style.left = `${besidePoint(x, width, across) - across.from + GAP}px`;
    current.style.top = `${besidePoint(y, height, down) - down.from + GAP}px`;
  });
}

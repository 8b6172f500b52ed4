/** The tooltip at the pointer. */
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { useBeside } from './inside';

interface Props {
  /** The pointer in the window. */
  x: number;
  y: number;
  children: ComponentChildren;
}

export function Tip({ x, y, children }: Props) {
  const element = useRef<HTMLDivElement>(null);
  useBeside(element, x, y);
  return (
    <div ref={element} class="tooltip" role="tooltip">
      {children}
    </div>
  );
}

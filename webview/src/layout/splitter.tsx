/** The line between graph and inspector: dragged, or moved with the arrow keys. */
import { useEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { LEAST_SHARE, MOST_SHARE } from './arrangement';
import type { Arrangement } from './arrangement';

const STEP = 0.02;
/** The value announced before anything has been measured. */
const USUAL_SHARE = 0.65;

interface Measured {
  share: number;
  stacked: boolean;
}

export function Splitter({ arrangement }: { arrangement: Arrangement }) {
  const bar = useRef<HTMLDivElement>(null);
  const measured = useSignal<Measured>({ share: USUAL_SHARE, stacked: false });
  useEffect(() => {
    const body = bar.current?.parentElement;
    const graph = body?.querySelector<HTMLElement>('.graph');
    if (!body || !graph) return;
    const observer = new ResizeObserver(() => (measured.value = measure(body, graph)));
    observer.observe(graph);
    return () => observer.disconnect();
  }, [measured]);

  const { stacked } = measured.value;
  const share = arrangement.share.value ?? measured.value.share;
  const reset = (): void => void (arrangement.share.value = null);
  const onPointerDown = (event: PointerEvent): void => {
    const element = event.currentTarget as HTMLElement;
    const box = element.parentElement?.getBoundingClientRect();
    if (event.button !== 0 || !box) return;
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    const move = (next: PointerEvent): void =>
      arrangement.divide(stacked ? (next.clientY - box.top) / box.height : (next.clientX - box.left) / box.width);
    const up = (): void => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP };
    const step = steps[event.key];
    if (step !== undefined) arrangement.divide(share + step);
    else if (event.key === 'Home') arrangement.divide(LEAST_SHARE);
    else if (event.key === 'End') arrangement.divide(MOST_SHARE);
    else if (event.key === 'Enter') reset();
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={bar}
      class="splitter"
      data-testid="splitter"
      role="separator"
      tabIndex={0}
      aria-label="Width of the graph"
      aria-orientation={stacked ? 'horizontal' : 'vertical'}
      aria-valuenow={Math.round(share * 100)}
      aria-valuemin={LEAST_SHARE * 100}
      aria-valuemax={MOST_SHARE * 100}
      aria-valuetext={`${Math.round(share * 100)}% for the graph`}
      title="Drag, or use the arrow keys; double-click restores"
      onPointerDown={onPointerDown}
      onDblClick={reset}
      onKeyDown={onKeyDown}
    />
  );
}

function measure(body: HTMLElement, graph: HTMLElement): Measured {
  const stacked = getComputedStyle(body).flexDirection === 'column';
  const share = stacked ? graph.clientHeight / body.clientHeight : graph.clientWidth / body.clientWidth;
  return { share: Number.isFinite(share) ? share : USUAL_SHARE, stacked };
}

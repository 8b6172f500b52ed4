/** Layers × heads, with pointer and keys. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { useSignal, useSignalEffect } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { directionOf } from '../graph/keyboard';
import { labelledLayers } from '../graph/labels';
import type { Size } from '../graph/layout';
import type { GraphView } from '../graph/view';
import { px } from '../graph/layout';
import type { HeadRef } from '../routes/headTotals';
import type { Store } from '../store/state';
import { Tip } from '../layout/tip';
import { numberText, numberTitle, strongestHead } from './headNumbers';
import type { HeadNumbers } from './headNumbers';
import { TAG_WORDS } from './headTags';
import type { TagTable } from './headTags';
import { fitsLetters, headAt, headX, headsFrame, labelledHeads, layerY } from './headsLayout';
import { drawHeads } from './headsPaint';
import { OnFrame } from './onFrame';

interface Props {
  store: Store;
  view: GraphView;
  numbers: HeadNumbers;
  tags: TagTable | null;
  /** Set to whether the cells have room for letters. */
  letters: Signal<boolean>;
}

export const sameHead = (a: HeadRef | null, b: HeadRef | null): boolean => a?.layer === b?.layer && a?.head === b?.head;

export const headName = ({ layer, head }: HeadRef): string => `L${layer} H${head}`;

export function HeadGrid({ store, view, numbers, tags, letters }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  const hover = useSignal<{ at: HeadRef; x: number; y: number } | null>(null);
  const caret = useSignal<HeadRef | null>(null);
  const given = useSignal({ numbers, tags });
  if (given.peek().numbers !== numbers || given.peek().tags !== tags) given.value = { numbers, tags };
  const painter = useMemo(() => new OnFrame(), []);
  useEffect(() => () => painter.stop(), [painter]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => void (size.value = { width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [size]);

  const { nLayers = 0, nHeads = 0 } = store.analysis.value?.meta.model ?? {};
  const hasHeads = (layer: number): boolean => {
    const kind = store.analysis.value?.meta.layerKinds[layer] ?? 'attention';
    return kind === 'attention' || kind === 'both';
  };
  const frame = headsFrame(size.value, nLayers, nHeads);
  useSignalEffect(() => {
    const { nLayers = 0, nHeads = 0 } = store.analysis.value?.meta.model ?? {};
    const [palette, current, element] = [view.palette.value, given.value, canvas.current];
    const marks = { selected: store.headFilter.value, hover: hover.value?.at ?? null, caret: caret.value };
    const room = size.value;
    if (!palette || !element || room.width === 0) return;
    const frame = headsFrame(room, nLayers, nHeads);
    letters.value = fitsLetters(frame);
    const picture = {
      ...current,
      ...marks,
      hasHeads,
      palette,
      size: room,
      frame,
    };
    painter.ask(() => drawHeads(element, picture));
  });

  const under = (event: MouseEvent): { at: HeadRef; x: number; y: number } | null => {
    const bounds = box.current?.getBoundingClientRect();
    const [x, y] = [event.clientX - (bounds?.left ?? 0), event.clientY - (bounds?.top ?? 0)];
    const at = headAt(frame, x, y);
    return at && hasHeads(at.layer) ? { at, x: event.clientX, y: event.clientY } : null;
  };
  const choose = (at: HeadRef | null): void => {
    store.headFilter.value = sameHead(at, store.headFilter.value) ? null : at;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const start = caret.value ?? store.headFilter.value ?? strongestHead(numbers);
    const direction = directionOf(event.key);
    if (direction) caret.value = caret.value ? stepped(start, direction, nLayers, nHeads, hasHeads) : start;
    else if (event.key === 'Enter' || event.key === ' ') choose(caret.value ?? start);
    else if (event.key === 'Escape' && store.headFilter.value) choose(store.headFilter.value);
    else return;
    event.preventDefault();
  };
  const told = hover.value?.at ?? caret.value ?? store.headFilter.value;
  return (
    <div
      ref={box}
      class="stage heads-stage"
      data-testid="heads-overview"
      tabIndex={0}
      role="application"
      aria-roledescription="head overview"
      aria-label="Heads by layer: what each contributes to the routes or to the prediction. Arrows move, Enter keeps only the head's edges, Escape shows all."
      onPointerMove={(event) => (hover.value = under(event))}
      onPointerLeave={() => (hover.value = null)}
      onClick={(event) => choose(under(event)?.at ?? store.headFilter.value)}
      onKeyDown={onKeyDown}
      onBlur={() => (caret.value = null)}
    >
      <canvas ref={canvas} aria-hidden="true" />
      <div aria-hidden="true">
        <span class="axis-label" style={{ top: px(8) }}>
          head
        </span>
        {labelledHeads(frame).map((head) => (
          <span
            key={`h${head}`}
            class="head-label"
            style={{ left: px(headX(frame, head)), width: px(frame.cellWidth) }}
          >
            {head}
          </span>
        ))}
        {labelledLayers(nLayers, frame.cellHeight).map((layer) => (
          <span key={`l${layer}`} class="layer" style={{ top: px(layerY(frame, layer) + frame.cellHeight / 2 - 8) }}>
            {layer}
          </span>
        ))}
      </div>
      {hover.value && (
        <Tip x={hover.value.x} y={hover.value.y}>
          <HeadTip at={hover.value.at} numbers={numbers} tags={tags} />
        </Tip>
      )}
      <div class="sr-only" aria-live="polite">
        {told && caret.value
          ? `layer ${told.layer}, head ${told.head}, ${numberText(numbers, told)}${tagWords(tags, told)}`
          : ''}
      </div>
    </div>
  );
}

function HeadTip({ at, numbers, tags }: { at: HeadRef; numbers: HeadNumbers; tags: TagTable | null }) {
  return (
    <>
      <div class="title">
        layer {at.layer}, head {at.head}
      </div>
      <div>
        {numberTitle(numbers, at)} <b>{numberText(numbers, at)}</b>
      </div>
      {tags?.of(at).map(({ tag, score }) => (
        <div key={tag} class="tag-score">
          <span class="note">{TAG_WORDS[tag]}</span> <b>{score.toFixed(2)}</b>
        </div>
      ))}
    </>
  );
}

function tagWords(tags: TagTable | null, at: HeadRef): string {
  const strong = tags?.strongest(at);
  return strong ? `, ${TAG_WORDS[strong.tag]} ${strong.score.toFixed(2)}` : '';
}

/** The head next to `from`; layers without heads are skipped. */
function stepped(
  from: HeadRef,
  direction: 'left' | 'right' | 'up' | 'down',
  nLayers: number,
  nHeads: number,
  hasHeads: (layer: number) => boolean,
): HeadRef {
  const [by, up] = { left: [-1, 0], right: [1, 0], up: [0, 1], down: [0, -1] }[direction] as [number, number];
  let layer = from.layer + up;
  while (up !== 0 && layer >= 0 && layer < nLayers && !hasHeads(layer)) layer += up;
  return {
    layer: layer < 0 || layer >= nLayers ? from.layer : layer,
    head: Math.min(nHeads - 1, Math.max(0, from.head + by)),
  };
}

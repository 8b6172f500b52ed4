/** One layer as a map: rows are queries, columns are keys, ink is contribution. */
import { useEffect, useRef } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { readPalette } from '../graph/palette';
import type { Palette } from '../graph/palette';
import { attentionEdgeName } from '../names';
import type { Analysis } from '../payload';
import type { Store } from '../state';

interface Props {
  store: Store;
  analysis: Analysis;
  layer: number;
  query: number;
  position: number;
  /** One head, or all of them together. */
  head: number | null;
}

const SIDE = 300;
const CELL_MAX = 12;
const CELL_MIN = 2;

/** Contributions of a layer by [query × key], of one head or of all. */
export function contributionMap(analysis: Analysis, layer: number, head: number | null): Float32Array {
  const { columns, rowOffset, meta } = analysis;
  const nTokens = meta.tokens.length;
  const map = new Float32Array(nTokens * nTokens);
  for (let e = rowOffset[layer * nTokens] ?? 0; e < (rowOffset[(layer + 1) * nTokens] ?? 0); e++) {
    const cell = (columns.edgeQuery[e] ?? 0) * nTokens + (columns.edgeKey[e] ?? 0);
    if (head === null) {
      map[cell] = columns.edgeWeight[e] ?? 0;
      continue;
    }
    for (let i = columns.headOffset[e] ?? 0; i < (columns.headOffset[e + 1] ?? 0); i++) {
      if (columns.headIndex[i] === head) map[cell] = columns.headWeight[i] ?? 0;
    }
  }
  return map;
}

/** Fits on the inspector's width up to about 150 tokens; larger maps are left out. */
export const mapFits = (nTokens: number): boolean => nTokens * CELL_MIN <= SIDE;

export function ContributionMap({ store, analysis, layer, query, position, head }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const nTokens = analysis.meta.tokens.length;
  const cell = Math.max(CELL_MIN, Math.min(CELL_MAX, Math.floor(SIDE / nTokens)));
  const side = cell * nTokens;

  const draw = (): void => {
    const element = canvas.current;
    const ctx = prepared(element, side);
    if (!element || !ctx) return;
    const map = contributionMap(analysis, layer, head);
    drawCells(ctx, map, nTokens, cell, readPalette(element), query * nTokens + position);
  };
  useEffect(draw, [analysis, layer, query, position, head, side]);
  // The palette's colours come with the theme.
  useSignalEffect(() => {
    void store.themed.value;
    draw();
  });

  const edgeAt = (event: MouseEvent): string | null => {
    const key = Math.floor(event.offsetX / cell);
    const row = Math.floor(event.offsetY / cell);
    if (key > row || row >= nTokens) return null;
    return attentionEdgeName(layer, row, key, analysis.meta.model.parallel);
  };
  return (
    <>
      <canvas
        ref={canvas}
        class="map"
        data-testid="map"
        style={{ width: `${side}px`, height: `${side}px` }}
        aria-hidden="true"
        onPointerMove={(event) => (store.hover.value = edgeAt(event))}
        onPointerLeave={() => (store.hover.value = null)}
        onClick={(event) => {
          const name = edgeAt(event);
          if (name) store.select(name);
        }}
      />
      <p class="dim caption">rows: query · columns: key · marked: this edge</p>
    </>
  );
}

function prepared(canvas: HTMLCanvasElement | null, side: number): CanvasRenderingContext2D | null {
  if (!canvas) return null;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(side * ratio);
  canvas.height = Math.round(side * ratio);
  const ctx = canvas.getContext('2d');
  ctx?.scale(ratio, ratio);
  return ctx;
}

function drawCells(
  ctx: CanvasRenderingContext2D,
  map: Float32Array,
  nTokens: number,
  cell: number,
  palette: Palette,
  marked: number,
): void {
  const most = map.reduce((a, b) => Math.max(a, b), 1e-9);
  const gap = cell >= 6 ? 1 : 0;
  for (let query = 0; query < nTokens; query++) {
    for (let key = 0; key <= query; key++) {
      const value = map[query * nTokens + key] ?? 0;
      ctx.globalAlpha = value > 0 ? 0.12 + 0.88 * Math.sqrt(value / most) : 0.05;
      ctx.fillStyle = value > 0 ? palette.attention : palette.foreground;
      ctx.fillRect(key * cell, query * cell, cell - gap, cell - gap);
    }
  }
  ctx.globalAlpha = 1;
  ctx.strokeStyle = palette.selection;
  ctx.lineWidth = 2;
  const x = (marked % nTokens) * cell;
  const y = Math.floor(marked / nTokens) * cell;
  ctx.strokeRect(x, y, cell - gap, cell - gap);
}

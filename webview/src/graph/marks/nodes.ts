/** Nodes, and the heat that replaces them where columns are too narrow. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { sizeOf } from '../../groups/grouping';
import type { Shown } from '../../groups/shown';
import { seenIn } from '../contrast';
import { opacity } from '../ink';
import { columnX, levelY } from '../layout';
import { batches, inkReader, type Pen } from './pen';

/** Nodes below this radius are drawn as squares: they look the same and draw faster. */
const ROUND_FROM = 1.3;
/** Half the width of a group's strongest nodes, at most. */
const GROUP_NODE = 9;

/** Nodes have mass only by flow: the ink of each that is reached in any other way; null by flow. */
const evenInk = ({ ink, effects }: Shown): number | null => (effects ? 0.02 : ink === 'local' ? 0.3 : null);

export function drawNodes({ ctx, frame, view, scene, palette, nColumns }: Pen): void {
  const most = Math.max(0.8, Math.min(2.4, frame.dy * 0.16));
  const { columns, reached } = scene.shown;
  ctx.fillStyle = palette.foreground;
  // Mass row 0 is the embeddings: node row r is at layer r / C − 1.
  const massAt = inkReader(scene, 'mass');
  const even = evenInk(scene.shown);
  const seen = seenIn(palette, palette.foreground);
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const row = (layer + 1) * nColumns + t;
      batches.add(row, even === null ? massAt(row) : reached[row] ? even : 0);
    }
  }
  batches.draw((strength, rows) => {
    ctx.globalAlpha = Math.max(columns.grouped ? 0 : 0.32, opacity(strength, seen));
    const radius = Math.max(0.8, most * (0.55 + 0.45 * strength));
    ctx.beginPath();
    for (const row of rows) {
      const x = columnX(frame, row % nColumns);
      const y = levelY(frame, Math.floor(row / nColumns) - 1);
      // The nodes of a group are a bar.
      if (columns.grouped && sizeOf(columns, row % nColumns) > 1) {
        const half = Math.min(GROUP_NODE, frame.dx * 0.3) * (0.5 + 0.5 * strength);
        ctx.rect(x - half, y - radius, 2 * half, 2 * radius);
        continue;
      }
      if (radius < ROUND_FROM) {
        ctx.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
        continue;
      }
      ctx.moveTo(x + radius, y);
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
    }
    ctx.fill();
  });
}

/** Mass as heat: a cell a column and layer, or a pixel where columns are narrower still, as strong as the strongest in it. */
export function drawHeat({ ctx, frame, view, scene, palette }: Pen): void {
  const { mass, reached, columns } = scene.shown;
  const even = evenInk(scene.shown);
  const seen = seenIn(palette, palette.foreground);
  const width = Math.max(1, frame.dx);
  const nCells = Math.ceil((view.lastColumn - view.firstColumn + 1) * (frame.dx / width)) + 1;
  const left = columnX(frame, view.firstColumn - 0.5);
  const height = Math.max(1, Math.min(frame.dy - 1, frame.dy * 0.7));
  const cells = new Float64Array(nCells);
  ctx.fillStyle = palette.foreground;
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    cells.fill(0);
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const row = (layer + 1) * columns.nColumns + t;
      const value = even === null ? mass[row]! : reached[row] ? even : 0;
      const cell = Math.floor(((t - view.firstColumn) * frame.dx) / width);
      if (value > cells[cell]!) cells[cell] = value;
    }
    for (let cell = 0; cell < nCells; cell++) batches.add(cell, cells[cell]!);
    const y = levelY(frame, layer) - height / 2;
    batches.draw((strength, items) => {
      ctx.globalAlpha = 0.85 * opacity(strength, seen);
      for (const cell of items) ctx.fillRect(left + cell * width, y, width, height);
    });
  }
}

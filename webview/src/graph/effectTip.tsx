/** Effects in the tooltip of a mark. */
import type { KnownEffects } from '../effects/known';
import { metricText, toneOf } from '../effects/inWords';
import { figureAt } from '../effects/table';
import { unitOf } from '../effects/units';
import type { Shown } from '../groups/shown';
import { noSums, sumAt } from '../groups/sums';
import type { Store } from '../store/state';
import { effectNumber, sumWords } from '../words/effect';
import type { Figure, Sum } from '../words/effect';
import { parseEdge, parseNode } from '../words/names';
import type { Curves } from './marks/strokes';

/** A sentence on how the first number is known. */
export const noteFor = (figure: Figure | null): string =>
  figure === null
    ? 'Flow is a reading aid, not a causal claim.'
    : figure.measured
      ? 'Measured by running the model without it.'
      : figure.share
        ? 'A share says how the number is made up, not what happens without it.'
        : 'Predicted by the gradient, not measured yet.';

/** What the logit, or its difference, loses without it. */
export function EffectFigure({ store, name }: { store: Store; name: string }) {
  const known = store.causes.known.value;
  const figure = figureAt(known, name);
  if (!known || !figure) return null;
  return (
    <div>
      {figure.share ? 'share' : 'effect'} <SignedFigure sum={sumOf(figure)} /> of {metricText(known.metric.value)}
      {predictionBeside(known, name, figure)}
    </div>
  );
}

const sumOf = ({ value, measured }: Figure): Sum => ({
  value,
  measured: Number(measured),
  predicted: Number(!measured),
});

export function SignedFigure({ sum }: { sum: Sum }) {
  const { value, predicted } = sum;
  const names = `signed ${toneOf(value)}${predicted > 0 ? ' predicted' : ''}`;
  return <b class={names}>{effectNumber(value)}</b>;
}

/** " (predicted +1.28)" beside a measurement, " (predicted)" beside a prediction. */
function predictionBeside(known: KnownEffects, name: string, { measured, share }: Figure): string {
  const before = known.units.get(unitOf(name) ?? '')?.predicted ?? null;
  if (share) return ' (effect not measured)';
  if (!measured) return ' (predicted)';
  return before === null ? ' (measured)' : ` (predicted ${effectNumber(before)})`;
}

/** The effect of a line between groups, or of a group's blocks. */
export function JoinedEffect({ shown: { effects, edges, columns }, name }: { shown: Shown; name: string }) {
  const edge = parseEdge(name);
  const node = edge ? edge.target : parseNode(name);
  if (!effects || !node) return null;
  const column = columns.of[node.position] ?? 0;
  const between = edge?.kind === 'attention' ? [edges, effects.dashed] : [];
  const key = columns.of[edge?.source.position ?? 0] ?? 0;
  const sums = [effects.edges, effects.dashed.sums];
  const lines = between.map((of, i) => sumAt(sums[i] ?? noSums(0), placeOf(of, node.layer, column, key)));
  const isBlock = node.letter === 'M' || edge?.kind === 'ffn';
  const sum = isBlock ? sumAt(effects.ffn, node.layer * columns.nColumns + column) : (lines[0] ?? lines[1] ?? null);
  if (!sum) return null;
  return (
    <div>
      effect <SignedFigure sum={sum} />, {sumWords(sum)}
    </div>
  );
}

/** The line of a layer between two columns, or −1. */
function placeOf({ count, layer, query, key }: Curves, inLayer: number, to: number, from: number): number {
  for (let i = 0; i < count; i++) if (layer[i] === inLayer && query[i] === to && key[i] === from) return i;
  return -1;
}

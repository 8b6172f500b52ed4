/** What to measure, in which order: edges that are drawn, edges that are not, heads; then what takes whole runs. */
import type { UnitKind } from '../../../extension/shared/protocol';
import { isReached, listed } from './known';
import type { Figure, KnownEffects } from './known';
import { edgeAt, edgePlace, edgeUnit, placeOfUnit } from './units';

/** An attention edge of the drawing. */
export interface DrawnEdge {
  layer: number;
  query: number;
  key: number;
  flow: number;
}

/** Edges that no route draws, those predicted strongest. */
const CANDIDATES = 20;
/** How many units of other kinds are measured. */
const MOST: readonly [UnitKind, number][] = [
  ['head', 20],
  ['ffn', 20],
  ['token', 60],
];
/** A candidate is drawn from this fraction of the strongest edge on, and at most so many are. */
const NOTABLE = 0.2;
const MOST_DASHED = 10;

/** Names of units, those to measure first first; without those that are measured. `most`: drawn edges. */
export function toMeasure(known: KnownEffects, drawn: readonly DrawnEdge[], most: number): string[] {
  const predicted = (edge: DrawnEdge): number =>
    Math.abs(known.units.get(edgeUnit(edge.layer, edge.query, edge.key))?.predicted ?? 0);
  const strongest = drawn
    .map((edge) => ({ edge, size: predicted(edge) }))
    .sort((a, b) => b.size - a.size || b.edge.flow - a.edge.flow)
    .slice(0, most)
    .map(({ edge }) => edgeUnit(edge.layer, edge.query, edge.key));
  const kinds = MOST.flatMap(([kind, n]) => firstOf(known, kind, n));
  const wanted = [...new Set([...strongest, ...candidates(known, drawn), ...kinds])];
  return wanted.filter((unit) => !isReached(known.units.get(unit)));
}

/** The first units of a kind in the order of the prediction, measured or not. */
function firstOf(known: KnownEffects, kind: UnitKind, most: number): string[] {
  const found: string[] = [];
  for (const unit of known.units.values()) {
    if (found.length === most) break;
    if (unit.kind === kind) found.push(unit.unit);
  }
  return found;
}

function candidates(known: KnownEffects, drawn: readonly DrawnEdge[]): string[] {
  const places = new Set(drawn.map(({ layer, query, key }) => edgePlace(layer, query, key)));
  const found: string[] = [];
  for (const unit of known.units.values()) {
    if (found.length === CANDIDATES) break;
    if (unit.kind !== 'edge' || unit.predicted === null) continue;
    const place = placeOfUnit(unit.unit);
    if (place !== null && !places.has(place)) found.push(unit.unit);
  }
  return found;
}

/** An edge that no route draws, though its measured effect is large. */
export interface UndrawnEdge extends Omit<DrawnEdge, 'flow'> {
  figure: Figure;
}

/** The measured edges whose effect is notable beside the strongest one, strongest first. */
export function notable(known: KnownEffects): UndrawnEdge[] {
  const edges = listed(known, 'edge').filter((unit) => unit.measured !== null);
  const least = NOTABLE * Math.abs(edges[0]?.measured ?? 0);
  const found: UndrawnEdge[] = [];
  for (const { unit, measured } of edges) {
    const place = placeOfUnit(unit);
    if (place === null || measured === null || Math.abs(measured) < least) continue;
    found.push({ ...edgeAt(place), figure: { value: measured, measured: true } });
  }
  return found;
}

/** Those outside the drawing. */
export function undrawn(edges: readonly UndrawnEdge[], isDrawn: (edge: UndrawnEdge) => boolean): UndrawnEdge[] {
  return edges.filter((edge) => !isDrawn(edge)).slice(0, MOST_DASHED);
}

/** What is known of the effects, by the places of one analysis: made once for each answer, and read while drawing. */
import type { Analysis } from '../analysis/payload';
import { attentionIndex } from '../words/describe';
import type { Figure } from '../words/effect';
import { detailOf, expertOf, parseEdge, parseNode } from '../words/names';
import { ffnFigure, figureOf, tokenFigure } from './known';
import type { KnownEffects } from './known';
import { notable } from './plan';
import type { UndrawnEdge } from './plan';
import { edgeAt, edgePlace, unitOf } from './units';

export const UNKNOWN = 0;
export const PREDICTED = 1;
export const MEASURED = 2;
const SHARE = 3;

/** Numbers by place, and how each is known. */
export interface Figures {
  value: Float32Array;
  how: Uint8Array;
}

export interface EffectTable {
  known: KnownEffects;
  /** By index of an attention edge of the analysis. */
  edges: ReadonlyMap<number, Figure>;
  /** [layer × token] */
  ffn: Figures;
  /** [token] */
  tokens: Figures;
  /** Measured edges that are large enough to be drawn beside the routes, strongest first. */
  notable: readonly UndrawnEdge[];
}

export function effectTable(analysis: Analysis, known: KnownEffects): EffectTable {
  const { tokens, model } = analysis.meta;
  const edges = new Map<number, Figure>();
  for (const [place, figure] of known.edges) {
    const { layer, query, key } = edgeAt(place);
    const index = attentionIndex(analysis, layer, query, key);
    if (index >= 0) edges.set(index, figure);
  }
  return { known, edges, ffn: blocks(known, model.nLayers, tokens.length), tokens: ofTokens(known, tokens.length), notable: notable(known) }; // prettier-ignore
}

function blank(length: number): Figures {
  return { value: new Float32Array(length), how: new Uint8Array(length) };
}

function put(figures: Figures, at: number, figure: Figure | null): void {
  if (!figure) return;
  figures.value[at] = figure.value;
  figures.how[at] = figure.measured ? MEASURED : figure.share ? SHARE : PREDICTED;
}

/** The figure at a place; null where nothing is known. */
export const figureIn = ({ value, how }: Figures, at: number): Figure | null =>
  (how[at] ?? UNKNOWN) === UNKNOWN
    ? null
    : { value: value[at] ?? 0, measured: how[at] === MEASURED, ...(how[at] === SHARE && { share: true }) };

function blocks(known: KnownEffects, nLayers: number, nTokens: number): Figures {
  const figures = blank(nLayers * nTokens);
  const width = known.position + 1;
  if (known.ffn) {
    for (let layer = 0; layer < nLayers; layer++) {
      for (let t = 0; t < Math.min(width, nTokens); t++) {
        figures.value[layer * nTokens + t] = known.ffn[layer * width + t] ?? 0;
        figures.how[layer * nTokens + t] = PREDICTED;
      }
    }
  }
  for (const unit of known.units.values()) {
    const node = unit.kind === 'ffn' ? parseNode(unit.unit) : null;
    if (node && node.layer < nLayers && node.position < nTokens)
      put(figures, node.layer * nTokens + node.position, figureOf(unit));
  }
  return figures;
}

function ofTokens(known: KnownEffects, nTokens: number): Figures {
  const figures = blank(nTokens);
  for (let t = 0; t <= Math.min(known.position, nTokens - 1); t++) {
    put(figures, t, tokenFigure(known, t));
  }
  return figures;
}

/** The effect of a selection, of a head, neuron or expert in it; null where nothing is known. */
export function figureAt(known: KnownEffects | null, name: string): Figure | null {
  const unit = known && unitOf(name);
  if (!known || !unit) return null;
  if (detailOf(name) === null && expertOf(name) === null) {
    const edge = parseEdge(name);
    if (edge?.kind === 'attention') {
      const { layer, position } = edge.target;
      return known.edges.get(edgePlace(layer, position, edge.source.position)) ?? null;
    }
    const node = parseNode(unit);
    if (node?.letter === 'M') return ffnFigure(known, node.layer, node.position);
    if (node?.letter === 'X') return tokenFigure(known, node.position);
  }
  return figureOf(known.units.get(unit));
}

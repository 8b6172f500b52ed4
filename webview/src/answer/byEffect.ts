/** What supports a prediction and what opposes it, by measured effects: signed, one at a time, never summed. */
import type { Analysis } from '../analysis/payload';
import type { UnitEffect } from '../../../extension/shared/protocol';
import { doneInWords } from '../effects/inWords';
import type { KnownEffects } from '../effects/known';
import { edgeAt, ffnUnit, placeOfUnit } from '../effects/units';
import type { Routes } from '../routes/routes';
import { attentionEdgeName, parseNode } from '../words/names';
import { asFirst, edgePart, effectPart, headParts, joined, later, rests, tokenPart, words } from './parts';
import type { Part, ReadEdge } from './parts';
import { MOSTLY, sourcesOf, whyNothing } from './byFlow';

/** An edge into the position, or a token where no edge was measured. */
interface Cause {
  key: number;
  edge: ReadEdge | null;
  value: number;
  how: string;
}

/** Logits below this do not change a probability that anybody would read off. */
const TINY_LOGIT = 0.05;
/** The same for a model that answers with a value: a part of it. */
const TINY_PART = 0.01;
/** What has less than this part of the strongest effect is not named. */
const LEAST = 0.15;
const MOST_OTHERS = 2;

const tiny = ({ metric }: KnownEffects, task: string): number =>
  task === 'value' ? TINY_PART * Math.abs(metric.value) : TINY_LOGIT;

/** The edge into the position that an effect is of; null for any other unit. */
function edgeRead(known: KnownEffects, { unit, kind }: Pick<UnitEffect, 'unit' | 'kind'>): ReadEdge | null {
  const place = kind === 'edge' ? placeOfUnit(unit) : null;
  if (place === null) return null;
  const { layer, query, key } = edgeAt(place);
  return query === known.position ? { layer, key } : null;
}

/** Measured edges into the position, the strongest from each token; where there are none, measured tokens. */
function causesOf(known: KnownEffects): Cause[] {
  const edges: Cause[] = [];
  const tokens: Cause[] = [];
  for (const unit of known.units.values()) {
    const { measured, how } = unit;
    if (measured === null) continue;
    const edge = edgeRead(known, unit);
    if (edge && edge.key !== known.position) edges.push({ key: edge.key, edge, value: measured, how });
    const node = unit.kind === 'token' ? parseNode(unit.unit) : null;
    if (node && node.position < known.position) tokens.push({ key: node.position, edge: null, value: measured, how });
  }
  const found = (edges.length > 0 ? edges : tokens).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const seen = new Set<string>();
  return found.filter(({ key, value }) => {
    const once = `${key} ${value > 0}`;
    return !seen.has(once) && seen.add(once);
  });
}

/** The part of the drawn flow into the position whose edges are measured. */
export function covered(analysis: Analysis, routes: Routes, known: KnownEffects): number {
  const measured = new Set<string>();
  for (const unit of known.units.values()) {
    const edge = unit.measured === null ? null : edgeRead(known, unit);
    if (edge) measured.add(`${edge.layer} ${edge.key}`);
  }
  const edges = sourcesOf(analysis, routes, known.position).flatMap((source) => source.edges);
  const sum = (some: typeof edges): number => some.reduce((all, { flow }) => all + flow, 0);
  const all = sum(edges);
  return all > 0
    ? sum(edges.filter(({ layer, key }) => measured.has(`${layer} ${key}`))) / all
    : Number(measured.size > 0);
}

interface Said {
  analysis: Analysis;
  routes: Routes;
  known: KnownEffects;
  /** The target is what the model says, and ahead of the contrast. */
  ahead: boolean;
  /** No block is still to be measured. */
  hasBlocks: boolean;
}

/** Null where nothing is measured that could be said. */
export function byEffect(said: Said): Part[] | null {
  const { analysis, routes, known, ahead } = said;
  const task = analysis.meta.model.task;
  const least = tiny(known, task);
  const causes = causesOf(known);
  const block = said.hasBlocks ? blockOf(known, least) : null;
  if (causes.length === 0) {
    if (block) return [words(`; ${whyNothing(analysis, routes, known.position)}`), ...blockParts(said, block)];
    return null;
  }
  const large = causes.filter(({ value }) => Math.abs(value) >= least);
  const strongest = Math.abs(large[0]?.value ?? 0);
  const named = large.filter(({ value }) => Math.abs(value) >= LEAST * strongest);
  const ordered = [...named.filter(({ key }) => !rests(analysis, key)), ...named.filter(({ key }) => rests(analysis, key))]; // prettier-ignore
  const supports = ordered.filter(({ value }) => value > 0).slice(0, 1 + MOST_OTHERS);
  const opposes = ordered.filter(({ value }) => value < 0).slice(0, supports.length > 0 ? 1 : 2);
  const ownBlock = block && Math.abs(block.value) >= LEAST * strongest ? blockParts(said, block) : [];
  if (supports.length + opposes.length === 0)
    return [words(`; nothing that it read changes ${wholeOf(known, task)} by ${leastText(least)} when it is taken out`), ...ownBlock]; // prettier-ignore
  return [...forIt(said, supports, ahead), ...againstIt(said, opposes, supports.length === 0), ...ownBlock];
}

const leastText = (least: number): string => (least >= 0.05 ? least.toFixed(2) : least.toPrecision(1));

/** ", mostly because of A +2.75; then B +0.90"; of a target that the model does not say: "; for it A +2.75, B +0.90". */
function forIt(said: Said, supports: Cause[], ahead: boolean): Part[] {
  const [first, ...others] = supports;
  if (!first)
    return [words(ahead ? '; nothing measured that it read supports it' : '')].filter(({ text }) => text !== '');
  const lead = causeParts(said, first, true);
  const rest = others.map((cause) => causeParts(said, cause, false));
  const mostly = first.value >= MOSTLY * Math.max(0, ...others.map(({ value }) => value));
  const opening = ahead
    ? mostly
      ? ', mostly because of '
      : ', because of '
    : mostly
      ? '; for it mostly '
      : '; for it ';
  if (mostly && rest.length > 0) return [words(opening), ...lead, ...later([words('; then '), ...joined(rest, ', ')])];
  return [words(opening), ...joined([lead, ...rest], ', ', ' and ')];
}

function againstIt(said: Said, opposes: Cause[], lead: boolean): Part[] {
  if (opposes.length === 0) return [];
  return [words('; against it '), ...joined(opposes.map((cause, i) => causeParts(said, cause, lead && i === 0)), ' and ')]; // prettier-ignore
}

/** "·Mary read in layer 23 by H0, H1, H7 +2.75", "·John₂ in layer 20 +1.00"; of a token: "the token ·Mary +9.00". */
function causeParts({ analysis, routes, known }: Said, { key, edge, value, how }: Cause, full: boolean): Part[] {
  const { position } = known;
  const token = [tokenPart(analysis, key), ...asFirst(analysis, key)];
  const title = `Measured alone: ${doneInWords(how)}. Single effects do not add up`;
  if (!edge) return [words('the token '), ...token, words(' '), effectPart(value, token[0]?.select ?? null, title)];
  const heads = full ? headParts(analysis, routes, position, edge) : [];
  const { parallel } = analysis.meta.model;
  return [
    ...token,
    words(full ? ' read in ' : ' in '),
    edgePart(analysis, position, edge, `layer ${edge.layer}`),
    ...(heads.length > 0 ? [words(' by '), ...heads] : []),
    words(' '),
    effectPart(value, attentionEdgeName(edge.layer, position, key, parallel), title),
  ];
}

/** The feed-forward block at the position with the largest effect; not of layer 0, which makes the token what it is. */
function blockOf(known: KnownEffects, least: number): { layer: number; value: number } | null {
  let best: { layer: number; value: number } | null = null;
  for (const { unit, kind, measured } of known.units.values()) {
    const node = kind === 'ffn' && measured !== null ? parseNode(unit) : null;
    if (!node || measured === null || node.position !== known.position || node.layer === 0) continue;
    if (Math.abs(measured) < Math.max(least, Math.abs(best?.value ?? 0))) continue;
    best = { layer: node.layer, value: measured };
  }
  return best;
}

/** "; without the feed-forward block of layer 29 the logit would be 1.20 lower" */
function blockParts({ analysis, known }: Said, { layer, value }: { layer: number; value: number }): Part[] {
  const select = ffnUnit(layer, known.position);
  const how = doneInWords(known.units.get(select)?.how ?? '');
  const size = Math.abs(value);
  return later([
    words('; without the '),
    { text: `feed-forward block of layer ${layer}`, look: 'place', select, title: 'Open this block' },
    words(` ${wholeOf(known, analysis.meta.model.task)} would be `),
    {
      ...effectPart(value, select, `Measured alone: ${how}`),
      text: size.toFixed(size < 0.1 ? 2 : 1),
    },
    words(value > 0 ? ' lower' : ' higher'),
  ]);
}

/** What effects are counted in: "the difference". */
export function wholeOf({ metric }: Pick<KnownEffects, 'metric'>, task: string): string {
  if (task === 'value') return 'the value';
  return metric.contrast ? 'the difference' : metric.kind === 'logprob' ? 'its log-probability' : 'its logit';
}

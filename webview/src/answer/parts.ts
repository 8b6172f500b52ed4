/** The parts of the answer line: words, and names and numbers that select what they name. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Analysis } from '../analysis/payload';
import { toneOf } from '../effects/inWords';
import type { Routes } from '../routes/routes';
import { attentionIndex, labelAt } from '../words/describe';
import { effectNumber } from '../words/effect';
import { attentionEdgeName, nodeName, nodeRef, withDetail } from '../words/names';
import { ordinalAt } from '../words/repeats';

export interface Part {
  text: string;
  look: 'words' | 'output' | 'contrast' | 'token' | 'place' | 'figure';
  /** What a click selects; null: the target with its predictions. Absent: no click. */
  select?: string | null;
  tone?: 'supports' | 'opposes';
  title?: string;
  /** A part of a later clause, which narrow panels leave to the tooltip and the copy. */
  later?: boolean;
}

/** An attention edge that the position reads through. */
export interface ReadEdge {
  layer: number;
  key: number;
}

export const words = (text: string): Part => ({ text, look: 'words' });

const LONGEST = 24;

/** A token's text that is no word is told from the sentence around it by quotes. */
function quoted(text: string): string {
  const letters = [...text];
  const short = letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join('')}…` : text;
  return /[\p{L}\p{N}]/u.test(short) ? short : `“${short}”`;
}

export const outputPart = (text: string, look: 'output' | 'contrast'): Part => ({
  text: quoted(text),
  look,
  select: null,
  title: look === 'output' ? 'The target: its predictions, and why not another' : 'What the target is compared with',
});

/** A token of the prompt, numbered where it comes again. */
export function tokenPart(analysis: Analysis, position: number): Part {
  const name = nodeName(nodeRef('I', -1, position));
  const text = quoted(labelAt(analysis, position)) + ordinalAt(analysis, position);
  return { text, look: 'token', select: name, title: `position ${position}: select this token` };
}

/** Heads rest at an added token that begins the sequence. */
export const rests = (analysis: Analysis, position: number): boolean =>
  position === 0 && analysis.meta.tokens[0]?.special === true;

/** Heads rest there when they look for nothing. */
export function asFirst(analysis: Analysis, position: number): Part[] {
  if (position > 0) return [];
  return [words(rests(analysis, position) ? ' (where heads rest)' : ' (the first token)')];
}

export const edgePart = (analysis: Analysis, query: number, { layer, key }: ReadEdge, text: string): Part => ({
  text,
  look: 'place',
  select: attentionEdgeName(layer, query, key, analysis.meta.model.parallel),
  title: 'Open this edge',
});

export const effectPart = (value: number, select: string | null, title: string): Part => ({
  text: effectNumber(value),
  look: 'figure',
  tone: toneOf(value),
  ...(select !== null && { select }),
  title,
});

const MOST_HEADS = 3;
/** A head that carries less than this part of the strongest one's is not named. */
const LEAST_HEAD = 0.25;

/** "H0, H1, H7": the heads that carry most of an edge, by contribution; empty where none is listed. */
export function headParts(analysis: Analysis, routes: Routes, query: number, edge: ReadEdge): Part[] {
  const { headOffset, headIndex, headWeight } = analysis.columns;
  const index = attentionIndex(analysis, edge.layer, query, edge.key);
  if (index < 0 || analysis.meta.model.nHeads < 2) return [];
  const tau = routes.renormalize ? Math.fround(routes.threshold) : 0;
  const all: { head: number; weight: number }[] = [];
  for (let i = headOffset[index]!; i < headOffset[index + 1]!; i++)
    all.push({ head: headIndex[i]!, weight: headWeight[i]! });
  all.sort((a, b) => b.weight - a.weight);
  const kept = all.filter(({ weight }) => weight > tau);
  const listed = (kept.length > 0 ? kept : all).filter(({ weight }) => weight >= LEAST_HEAD * (all[0]?.weight ?? 0));
  const name = attentionEdgeName(edge.layer, query, edge.key, analysis.meta.model.parallel);
  return joined(
    listed.slice(0, MOST_HEADS).map(({ head }) => [
      {
        text: `H${head}`,
        look: 'place' as const,
        select: withDetail(name, head),
        title: 'A head that carries most of this edge, by contribution',
      },
    ]),
    ', ',
  );
}

/** Lists with words between them: "a, b and c" where `last` is given. */
export function joined(lists: readonly Part[][], between: string, last = between): Part[] {
  return lists.flatMap((list, i) => [...(i === 0 ? [] : [words(i === lists.length - 1 ? last : between)]), ...list]);
}

export const later = (parts: Part[]): Part[] => parts.map((part) => ({ ...part, later: true }));

export const textOf = (parts: readonly Part[]): string => parts.map(({ text }) => text).join('');

/** The answer line: what the model says at a position and where it comes from, as parts of one sentence. */
import type { Analysis } from '../analysis/payload';
import type { KnownEffects } from '../effects/known';
import type { Routes } from '../routes/routes';
import { classifies } from '../words/answer';
import { byEffect } from './byEffect';
import { byFlow } from './byFlow';
import { outputPart, tokenPart, words } from './parts';
import type { Part } from './parts';

/** An output of the model as it is shown: its text, its figure ("92%"; empty where it is not known), its probability. */
export interface Output {
  text: string;
  figure: string;
  probability: number | null;
}

export interface Facts {
  analysis: Analysis;
  routes: Routes;
  position: number;
  target: Output;
  contrast: Output | null;
  /** The most probable output where the target is another one. */
  best: Output | null;
  /** Null until the edges are measured: then the sentence is by flow. */
  effects: KnownEffects | null;
  /** No block is still to be measured. */
  hasBlocks: boolean;
}

export interface Sentence {
  parts: Part[];
  /** Made of measured effects, not of flow. */
  measured: boolean;
}

export function sentenceOf(facts: Facts): Sentence {
  const { analysis, routes, position, target, contrast, best, effects, hasBlocks } = facts;
  const ahead = best === null && (contrast === null || (target.probability ?? 0) >= (contrast.probability ?? 0));
  const said = effects && byEffect({ analysis, routes, known: effects, ahead, hasBlocks });
  const reasons = said ?? byFlow(analysis, routes, position);
  return { parts: [...opening(facts), ...reasons, words('.')], measured: said !== null };
}

/** "·Mary 92% rather than ·John 0.2%", "After ·store: “,” 32%", "Label POSITIVE 99%" */
function opening({ analysis, position, target, contrast, best }: Facts): Part[] {
  const { model } = analysis.meta;
  const elsewhere = position !== analysis.meta.target;
  const place = elsewhere
    ? [words(classifies(model) ? 'If the text ended at ' : 'After '), tokenPart(analysis, position), words(': ')]
    : [];
  const kind = { token: '', label: 'label ', labels: 'label ', value: 'value' }[model.task];
  const named = model.task === 'value' ? [] : [outputPart(target.text, 'output')];
  const figure = figureParts(target, model.task === 'value' ? 'output' : 'figure');
  const others = [
    ...(best ? [words(' (most probable: '), outputPart(best.text, 'contrast'), ...figureParts(best), words(')')] : []),
    ...(contrast ? [words(isBehind(target, contrast) ? ' against ' : ' rather than ')] : []),
    ...(contrast ? [outputPart(contrast.text, 'contrast'), ...figureParts(contrast)] : []),
  ];
  const opened = elsewhere ? kind : kind.charAt(0).toUpperCase() + kind.slice(1);
  return [...place, ...(opened === '' ? [] : [words(opened)]), ...named, ...figure, ...others];
}

const isBehind = (target: Output, contrast: Output): boolean => (target.probability ?? 0) < (contrast.probability ?? 0);

const figureParts = ({ figure }: Output, look: Part['look'] = 'figure'): Part[] =>
  figure === '' ? [] : [words(' '), { text: figure, look, select: null, title: 'The predictions' }];

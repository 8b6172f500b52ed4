/** One cell of the lens grid in words: its top token, and the rank of the followed token. */
import { classifies, outputFigure, outputText } from '../words/answer';
import { labelAt, nodeTitle, tokenClass } from '../words/describe';
import { parseNode } from '../words/names';
import type { NodeRef } from '../words/names';
import type { Store } from '../store/state';
import { count, percent } from '../words/words';
import { cellsOf, residualOf, rowOfNode } from './lensCells';
import type { LensCells } from './lensCells';
import type { Followed } from './lensState';

interface Props {
  store: Store;
  cells: LensCells | null;
  followed: Followed | null;
}

interface Figures {
  top: string;
  topProbability: number;
  topLogit: number;
  followed: { probability: number; rank: number } | null;
}

export function figuresAt(cells: LensCells, node: NodeRef): Figures | null {
  const index = rowOfNode(node) * cells.nTokens + node.position;
  if (rowOfNode(node) < cells.firstRow) return null;
  const probability = cells.topProbability[index];
  if (probability === undefined) return null;
  const { followed } = cells;
  return {
    top: cells.texts[cells.top[index] ?? 0] ?? '',
    topProbability: probability,
    topLogit: cells.topLogit[index] ?? 0,
    followed: followed && { probability: followed.probability[index] ?? 0, rank: followed.rank[index] ?? 0 },
  };
}

const HINT = 'Point at a cell, or move there with the arrow keys. A click opens the residual state.';
const COMPUTING = 'This row is still being computed.';

/** The cell under the pointer, otherwise the keyboard's, otherwise the selected one. */
export function CellReadout({ store, cells, followed }: Props) {
  const analysis = store.analysis.value;
  const name = store.hover.value ?? store.caret.value ?? store.selection.value;
  const node = name ? cellsOf(name).at(-1) : null;
  const figures = cells && node ? figuresAt(cells, node) : null;
  const model = analysis?.meta.model;
  return (
    <p class="readout" data-testid="lens-cell-readout" aria-live="polite">
      {analysis && node && figures ? (
        <>
          <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>{' '}
          <span class="dim">
            position {node.position}, {node.letter === 'X' ? 'embedding' : `after layer ${node.layer}`}:
          </span>{' '}
          <bdi class="token">{outputText(model, figures.top)}</bdi>{' '}
          {outputFigure(model, figures.topProbability, figures.topLogit)}
          {followed && figures.followed && figures.top !== followed.text && (
            <>
              <span class="dim"> · followed </span>
              <bdi class="token">{outputText(model, followed.text)}</bdi> {percent(figures.followed.probability)}
              <span class="dim"> rank {count(figures.followed.rank + 1)}</span>
            </>
          )}
        </>
      ) : (
        <span class="dim">{node && cells && rowOfNode(node) < cells.firstRow ? COMPUTING : HINT}</span>
      )}
    </p>
  );
}

export function CellTip({ store, cells, followed, name }: Props & { name: string }) {
  const analysis = store.analysis.value;
  const parsed = parseNode(name);
  if (!analysis || !parsed) return null;
  const node = residualOf(parsed);
  const figures = cells && figuresAt(cells, node);
  const { model } = analysis.meta;
  return (
    <>
      <div class="title">
        <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>
        <span class="dim"> {nodeTitle(node, [])}</span>
      </div>
      {figures && (
        <div>
          top <b>{outputText(model, figures.top)}</b>{' '}
          <b>{outputFigure(model, figures.topProbability, figures.topLogit)}</b>
        </div>
      )}
      {figures?.followed && followed && !cells?.range && (
        <div>
          <b>{outputText(model, followed.text)}</b> probability <b>{percent(figures.followed.probability)}</b> · rank{' '}
          <b>{count(figures.followed.rank + 1)}</b>
        </div>
      )}
      {!figures && <div>{COMPUTING}</div>}
      <div class="note">
        Final norm and {classifies(model) ? 'the map to labels' : 'unembedding'}, applied to this residual state.
      </div>
    </>
  );
}

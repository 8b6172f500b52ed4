/** A unit whose effect is listed, in words and as a label. */
import { edgeAt, headOfUnit, placeOfUnit, positionOfUnit } from '../effects/units';
import type { Analysis } from '../analysis/payload';
import { expertTitle, labelAt, tokenClass } from '../words/describe';
import { detailOf, expertOf, parseNode } from '../words/names';
import { ordinalAt } from '../words/repeats';

/** "·Mary to ·to, layer 23", "layer 23, head 0 at ·to", "feed-forward block of layer 22 at ·and", "·Mary, position 1" */
export function unitInWords(analysis: Analysis, unit: string): string {
  const label = (position: number): string => labelAt(analysis, position) + ordinalAt(analysis, position);
  const place = placeOfUnit(unit);
  if (place !== null) {
    const { layer, query, key } = edgeAt(place);
    return `${label(key)} to ${label(query)}, layer ${layer}`;
  }
  const head = headOfUnit(unit);
  if (head)
    return `layer ${head.layer}, head ${head.head}${head.position === null ? '' : ` at ${label(head.position)}`}`;
  const node = parseNode(unit);
  if (!node) return unit;
  if (node.letter === 'X') return `${label(node.position)}, position ${node.position}`;
  const [neuron, expert] = [detailOf(unit), expertOf(unit)];
  const inside = [neuron === null ? '' : `neuron ${neuron}`, expert === null ? '' : expertTitle(expert)];
  const what = [...inside, 'feed-forward block'].filter(Boolean).join(' of ');
  return `${what} of layer ${node.layer} at ${label(node.position)}`;
}

export function UnitWords({ analysis, unit }: { analysis: Analysis; unit: string }) {
  const place = placeOfUnit(unit);
  if (place !== null) {
    const { layer, query, key } = edgeAt(place);
    return (
      <>
        <Token analysis={analysis} position={key} /> → <Token analysis={analysis} position={query} />
        <span class="dim"> L{layer}</span>
      </>
    );
  }
  const head = headOfUnit(unit);
  const position = positionOfUnit(unit);
  const token = position === null ? null : <Token analysis={analysis} position={position} />;
  const node = head ? null : parseNode(unit);
  const [neuron, expert] = [detailOf(unit), expertOf(unit)];
  return (
    <>
      {head && `L${head.layer} H${head.head} `}
      {head && token && <span class="dim">at </span>}
      {token}
      {node?.letter === 'X' && <span class="dim"> {position}</span>}
      {node && node.letter !== 'X' && (
        <span class="dim">
          {' '}
          L{node.layer}
          {expert === null ? '' : ` @${expert}`}
          {neuron === null ? '' : ` #${neuron}`}
        </span>
      )}
    </>
  );
}

function Token({ analysis, position }: { analysis: Analysis; position: number }) {
  return (
    <bdi class={tokenClass(analysis, position)}>
      {labelAt(analysis, position)}
      {ordinalAt(analysis, position)}
    </bdi>
  );
}

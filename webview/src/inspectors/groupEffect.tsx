/** The effect of the group that a token of a long prompt is in: measured as one set, or the sum of shares. */
import { tokenShare } from '../effects/known';
import { doneInWords, metricText, toneOf } from '../effects/inWords';
import { tokenUnit } from '../effects/units';
import { FOLD, groupAt } from '../groups/grouping';
import { groupSpan } from '../groups/words';
import { Waiting } from '../controls/waiting';
import { useReply } from '../store/ask';
import { effectNumber } from '../words/effect';
import type { Store } from '../store/state';

/** Tokens that are knocked out together. */
const MOST = 64;
const SECONDS = 5;

/** The group's tokens that the target can read: first, and the one after the last. */
function groupOf(store: Store, position: number): [first: number, end: number] | null {
  const [groups, about] = [store.groups.value, store.causes.metric.value];
  if (!groups || !about || groups.unit === 'token') return null;
  const group = groupAt(groups, position);
  if (groups.kind?.[group] === FOLD) return null;
  const [first, end] = [groups.first[group] ?? 0, Math.min(groups.first[group + 1] ?? 0, about.position)];
  return end - first > 1 ? [first, end] : null;
}

export function GroupEffect({ store, position }: { store: Store; position: number }) {
  const [first, end] = groupOf(store, position) ?? [0, 0];
  const [known, about] = [store.causes.known.value, store.causes.about.value];
  const tokens = Array.from({ length: end - first }, (_, i) => first + i);
  const isAsked = known !== null && tokens.length > 0 && tokens.length <= MOST && !store.recording;
  const units = [tokens.map(tokenUnit).join('+')];
  const asked = about && isAsked ? { ...about, units, behind: false, seconds: SECONDS } : null;
  const reply = useReply(store, 'lmTransparency/measureEffects', asked);
  if (!known || tokens.length === 0) return null;
  const found = reply?.state === 'known' ? reply.result.units[0] : undefined;
  const measured = found?.measured ?? null;
  const shares = tokens.map((token) => tokenShare(known, token)).filter((share) => share !== null);
  const sum = shares.reduce((total, share) => total + share, 0);
  return (
    <div class="figures" data-testid="group-effect">
      its group ({groupSpan(first, end)}):{' '}
      {measured === null && shares.length === 0 ? (
        <i>effect not measured</i>
      ) : measured === null ? (
        <i title="Shares add up. They say how the number is made up, not what happens without the group.">
          share {effectNumber(sum)}
        </i>
      ) : (
        <>
          effect{' '}
          <b class={toneOf(measured)} title={`Measured together: ${doneInWords(found?.how ?? '')}`}>
            {effectNumber(measured)}
          </b>
        </>
      )}{' '}
      {(measured !== null || shares.length > 0) && `of ${metricText(known.metric.value)}`}
      <Waiting reply={reply} what="The effect of the group" quiet />
    </div>
  );
}

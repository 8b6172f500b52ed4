/** Units whose effects an inspector shows: measured when it is opened, a few at a time. */
import { useEffect } from 'preact/hooks';
import type { UnitEffect } from '../../../extension/shared/protocol';
import { isReached } from '../effects/known';
import { positionOfUnit } from '../effects/units';
import { useReply } from '../store/ask';
import type { Reply } from '../store/ask';
import type { Store } from '../store/state';

/** Units of one question, and the seconds that it may take before the rest is asked for. */
const AT_ONCE = 64;
const SECONDS = 5;

export interface Measured {
  /** What is known of a unit; undefined: nothing. */
  of(unit: string): UnitEffect | undefined;
  /** The question for what is not measured yet; null: nothing is asked. */
  reply: Reply<'lmTransparency/measureEffects'> | null;
}

/** `asked`: to be measured though nothing is predicted, because someone wants it. */
export function useMeasured(store: Store, units: readonly string[], asked = false): Measured {
  const { causes } = store;
  const [known, about] = [causes.known.value, causes.about.value];
  const able = about !== null && (known !== null || asked) && !store.recording;
  const left = able ? units.filter((unit) => !isReached(known?.units.get(unit)) && matters(unit, about.position)) : [];
  const params = { behind: false, seconds: SECONDS, units: left.slice(0, AT_ONCE) };
  const reply = useReply(
    store,
    'lmTransparency/measureEffects',
    about && left.length > 0 ? { ...about, ...params } : null,
  );
  const found = reply?.state === 'known' ? reply.result.units : null;
  useEffect(() => {
    const now = causes.metric.peek();
    if (found && now) causes.add(now, found);
  }, [causes, found]);
  return {
    of: (unit) => found?.find((one) => one.unit === unit) ?? known?.units.get(unit),
    reply,
  };
}

/** Whether the prediction at `position` can depend on a unit. */
export function matters(unit: string, position: number): boolean {
  return (positionOfUnit(unit) ?? 0) <= position;
}

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Stages } from '../../extension/src/backend/stages';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a stage says how long it has lasted, but for one that says the time that is left', () => {
  const said: string[] = [];
  const stages = new Stages(({ message }) => said.push(message));
  stages.say({ message: 'Forward pass, layer 3 of 30', fraction: 0.1 });
  vi.advanceTimersByTime(2000);
  stages.say({ message: '1 of 2 sequences, 70 s left', fraction: 0.5 });
  vi.advanceTimersByTime(2000);
  stages.dispose();
  expect(said.filter((one) => one.startsWith('Forward')).at(-1)).toBe('Forward pass, layer 3 of 30, 2 s');
  expect(new Set(said.filter((one) => one.startsWith('1 of 2')))).toEqual(new Set(['1 of 2 sequences, 70 s left']));
});

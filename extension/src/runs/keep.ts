import { Failure } from '../failure';
import type { Backend } from '../backend/backend';
import type { Asked, StoredResult } from '../panel/resultStore';
import type { DescribeParams, Inspections } from '../../shared/protocol';
import type { Runs } from './library';

export const DESCRIBE = 'lmTransparency/describe' satisfies keyof Inspections;

/** What a description is asked for with, so that the file says how the analysis came about. */
export function describing(runId: string, { dtype, specialTokens, chat, topK }: Asked): DescribeParams {
  return { runId, form: 'run', dtype, specialTokens, chat, topK };
}

/** The text of an answer to `DESCRIBE`. */
export function describedBy(answer: unknown): string {
  const text = typeof answer === 'object' && answer !== null ? (answer as { text?: unknown }).text : undefined;
  if (typeof text === 'string') return text;
  throw new Failure('backendOutdated', 'The backend sent no description of the analysis.', 'Set up the backend again.');
}

/** Keeps every analysis that is finished as a plain file; the payload is the result store's. Never rejects. */
export async function keepRun(
  { backend, runs, log }: { backend: Pick<Backend, 'request'>; runs: Runs; log(line: string): void },
  result: StoredResult,
): Promise<void> {
  try {
    const asked = describing(result.runId, result.asked);
    const answer = await backend.request(DESCRIBE, asked);
    await runs.keep(describedBy(answer), result);
  } catch (error) {
    log(`the run could not be listed: ${String(error)}`);
  }
}

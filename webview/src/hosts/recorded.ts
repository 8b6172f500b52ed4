/** Answers that a page brought along: found again by what is asked. */
import { DEFAULTS } from '../../../extension/shared/protocol';
import type { LensGridResult } from '../../../extension/shared/protocol';
import type { Answer, Method, Question } from '../../../extension/shared/webview';

/** [method, params, answer], as `session/recording.py` writes them. */
export type Recorded = [method: Method, params: Params, answer: Answer];
type Params = Record<string, unknown>;

const NOT_THERE =
  'This page has answers about the strongest parts of its drawing, and this is not among them. Open the prompt in VS Code to ask the model.';

/** These say whose run it is and how it is answered, not what is asked. */
const NOT_ASKED = new Set(['runId', 'workDoneToken', 'behind']);

/** Questions about several things at once: each thing is looked up by itself. `some`: an answer about some of them will do. */
const LISTS: Partial<Record<Method, { asked: string[]; given: string; some: boolean }>> = {
  'lmTransparency/promoted': { asked: ['units'], given: 'units', some: true },
  'lmTransparency/lensTrack': { asked: ['tokens', 'texts'], given: 'tracks', some: false },
};

/** What `packed` holds (base64 of a gzip of JSON), as a function that answers; it rejects with a sentence. */
export function recordedAnswers(packed: ArrayBuffer): (question: Question) => Promise<Answer> {
  let answers: Promise<Map<string, Answer>> | null = null;
  return async (question) => {
    // most pages are opened for their drawing
    answers ??= unpacked(packed).then(indexed);
    const found = find(await answers, question);
    if (!found) throw new Error(NOT_THERE);
    return found;
  };
}

export function indexed(recorded: readonly Recorded[]): Map<string, Answer> {
  const answers = new Map<string, Answer>();
  for (const [method, params, answer] of recorded) {
    const list = LISTS[method];
    if (!list) answers.set(keyOf(method, params), answer);
    else {
      const given = itemsOf(answer, list.given);
      keysOfItems(method, params, list.asked).forEach((key, index) => {
        if (index < given.length) answers.set(key, { ...answer, [list.given]: [given[index]] });
      });
    }
    if (method === GRID) answers.set(keyOf(method, { ...params, token: null }), unfollowed(answer as LensGridResult));
  }
  return answers;
}

export function find(answers: ReadonlyMap<string, Answer>, { method, params }: Question): Answer | null {
  const asked = params as unknown as Params;
  const list = LISTS[method];
  if (list) {
    const keys = keysOfItems(method, asked, list.asked);
    const found = keys.map((key) => answers.get(key)).filter((answer) => answer !== undefined);
    const [first] = found;
    if (!first || (!list.some && found.length < keys.length)) return null;
    return { ...first, [list.given]: found.flatMap((answer) => itemsOf(answer, list.given)) };
  }
  // the cells of the grid are there whatever token is followed
  const others = method === GRID ? [{ ...asked, token: null }] : [];
  const keys = [asked, ...others].map((one) => keyOf(method, one));
  return keys.map((key) => answers.get(key)).find((answer) => answer !== undefined) ?? null;
}

const GRID: Method = 'lmTransparency/lensGrid';

/** A grid that follows no token; its cells are the same. */
const unfollowed = (grid: LensGridResult): LensGridResult => ({
  ...grid,
  ...{ token: null, tokenProbability: null, tokenRank: null },
});

/** One key for each thing that a question asks about. */
function keysOfItems(method: Method, params: Params, lists: string[]): string[] {
  const rest = Object.fromEntries(Object.entries(params).filter(([name]) => !lists.includes(name)));
  return lists.flatMap((name) => itemsOf(params, name).map((item) => keyOf(method, { ...rest, [name]: item })));
}

const itemsOf = (record: object, name: string): unknown[] =>
  ((record as Record<string, unknown>)[name] as unknown[] | undefined) ?? [];

/** The same for the same question, whether or not it names what is meant anyway. */
function keyOf(method: Method, params: Params): string {
  const said = Object.entries({ ...DEFAULTS[method], ...defined(params) }).filter(([name]) => !NOT_ASKED.has(name));
  return JSON.stringify([method, said.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** null stands for a param that is left out. */
const defined = (params: Params): Params =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== null && value !== undefined));

async function unpacked(packed: ArrayBuffer): Promise<Recorded[]> {
  const source = new ReadableStream<BufferSource>({
    start(controller) {
      controller.enqueue(new Uint8Array(packed));
      controller.close();
    },
  });
  return (await new Response(source.pipeThrough(new DecompressionStream('gzip'))).json()) as Recorded[];
}

import { encode } from '@msgpack/msgpack';
import { beforeEach, describe, expect, it } from 'vitest';
import { ANALYZE, LOAD_MODEL } from '../../extension/shared/protocol';
import { cancelled, Failure } from '../../extension/src/failure';
import type { Settings } from '../../extension/src/settings';
import { newWorld, NOTHING_SET, settle, wholeText, type World } from './analyses_world';
import { createdPanels } from './vscode.fake';

const PINNED = 'pinned.prompt';
const OWN = 'org/own';

let world: World;
beforeEach(() => {
  world = newWorld();
  namePinned();
});

/** Has the one prompt name its model itself. */
function namePinned(): void {
  world.backend.prompt = (params) => ({
    ...wholeText(world.backend.documents.get(params.uri) ?? '', params),
    settings: { ...NOTHING_SET, model: params.uri.endsWith(PINNED) ? OWN : null },
  });
}

type Request = World['backend']['requests'][number];
type Asked = Pick<Settings, 'model' | 'dtype' | 'device'>;
const isOpen = ({ options }: Request) => options.cancel?.isCancellationRequested !== true;
const open = (method: string) => world.backend.requests.filter((one) => one.method === method && isOpen(one));
const choose = (source: string) => world.choice.take({ source, allowDownload: false });

/** The answer to a request, whose run id says how it was asked for. */
let counted = 0;
function answer({ params }: Request) {
  const { prompt, source, dtype, device } = params;
  const runId = JSON.stringify([source, dtype, device, (counted += 1)]);
  const meta = { format: 1, runId, prompt, model: { name: source }, tokens: [] };
  return { runId, payload: Buffer.from(encode({ meta, columns: {} })).toString('base64') };
}

function end(request: Request | undefined, failure?: Failure): Promise<unknown> {
  if (!request) throw new Error('nothing is asked for');
  world.backend.requests.splice(world.backend.requests.indexOf(request), 1);
  if (failure) request.reject(failure);
  else request.resolve(request.method === ANALYZE ? answer(request) : {});
  return settle();
}

const shownBy = () => world.panels.all().map(({ shown }) => shown?.asked.source);
const lastSent = () => createdPanels.at(-1)?.sent.at(-1);

describe('a choice of a model', () => {
  it('counts at once, and an analysis that was asked for before begins again by it when it is loaded', async () => {
    const { done } = await world.begin('Hi');
    expect(open(ANALYZE)[0]?.params).toMatchObject({ source: 'org/m' });
    const chosen = choose('org/new');
    await settle();
    // the one before is called off, and the new one waits for its model
    expect(open(ANALYZE)).toEqual([]);
    expect(lastSent()).toMatchObject({ message: 'Loading new' });
    expect(world.set['model']).toBe(' org/m ');
    await end(open(LOAD_MODEL)[0]);
    expect(await chosen).toBe(true);
    expect(world.set['model']).toBe('org/new');
    await end(open(ANALYZE)[0]);
    await done;
    expect(shownBy()).toEqual(['org/new']);
    expect(world.kept).toHaveLength(1);
  });

  it('is counted by what is asked while it is loaded', async () => {
    const chosen = choose('org/new');
    const { done } = await world.begin('Hi');
    expect(open(ANALYZE)).toEqual([]);
    await end(open(LOAD_MODEL)[0]);
    await end(open(ANALYZE)[0]);
    await Promise.all([done, chosen]);
    expect(shownBy()).toEqual(['org/new']);
  });

  it('takes the place of one that is being loaded, whichever load ends first', async () => {
    const first = choose('org/one');
    const before = open(LOAD_MODEL)[0];
    const second = choose('org/two');
    await settle();
    expect(before?.options.cancel?.isCancellationRequested).toBe(true);
    await end(open(LOAD_MODEL)[0]);
    expect(await Promise.all([first, second])).toEqual([false, true]);
    await end(before);
    expect(world.set['model']).toBe('org/two');
  });

  it('is not remembered if it cannot be loaded, and requests that waited for it say why', async () => {
    const { done } = await world.begin('Hi');
    const refused = expect(choose('org/gone')).rejects.toThrow('There is no org/gone.');
    await settle();
    await end(open(LOAD_MODEL)[0], new Failure('modelNotFound', 'There is no org/gone.'));
    await refused;
    await done;
    expect(lastSent()).toMatchObject({ type: 'failure', message: 'There is no org/gone.' });
    expect(world.choice.settingsFor().model).toBe('org/m');
  });

  it('is kept without a backend, and if the backend goes away during the load', async () => {
    const missing = choose('org/new');
    await end(open(LOAD_MODEL)[0], new Failure('backendMissing', 'There is no backend.'));
    expect(await missing).toBe(true);
    const leaving = choose('org/next');
    await settle();
    world.choice.keepUnloaded();
    expect(await leaving).toBe(true);
    expect(world.set['model']).toBe('org/next');
  });

  it('leaves an analysis alone whose prompt names its model, and one of a kept run', async () => {
    const pinned = await world.begin('Hi', `/p/${PINNED}`);
    const chosen = choose('org/new');
    await settle();
    expect(open(ANALYZE).map(({ params }) => params['source'])).toEqual([OWN]);
    await end(open(ANALYZE)[0]);
    await end(open(LOAD_MODEL)[0]);
    await Promise.all([pinned.done, chosen]);
    expect(shownBy()).toEqual([OWN]);
  });

  it('restarts the load when the precision changes, in a settings file too', async () => {
    const chosen = choose('org/new');
    const before = open(LOAD_MODEL)[0];
    await world.choice.set('dtype', 'bfloat16');
    await settle();
    expect([before && isOpen(before), open(LOAD_MODEL)].flat()).toEqual([false, expect.anything()]);
    // written by hand: another model, so the load is not wanted any more
    world.set['model'] = 'org/written';
    expect(world.choice.heed()).toBe(true);
    expect(await chosen).toBe(false);
    expect(open(LOAD_MODEL)).toEqual([]);
    expect(world.choice.settingsFor()).toMatchObject({ model: 'org/written', dtype: 'bfloat16' });
    expect(world.choice.heed()).toBe(false);
  });

  it('has a graph that follows typing follow it, too', async () => {
    const first = await world.begin('Hi');
    await end(open(ANALYZE)[0]);
    await first.done;
    const followed = world.follow('Hi!');
    await settle();
    const chosen = choose('org/new');
    await settle();
    await end(open(LOAD_MODEL)[0]);
    await end(open(ANALYZE)[0]);
    expect(await Promise.all([followed, chosen])).toEqual(['shown', true]);
    expect(shownBy()).toEqual(['org/new']);
  });
});

/** Numbers from 0 to below 1 that are the same in every run (mulberry32). */
function dice(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const ticks = async () => {
  for (let i = 0; i < 40; i++) await Promise.resolve();
};

describe('choices, loads that end in any order, and analyses', () => {
  const SEEDS = 150;

  it('never show what was not chosen, and remember what was chosen last', { timeout: 60_000 }, async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      world = newWorld();
      namePinned();
      await played(seed).catch((error: unknown) => {
        throw new Error(`with the seed ${seed}`, { cause: error });
      });
    }
  });

  async function played(seed: number): Promise<void> {
    const random = dice(seed);
    const oneOf = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T;
    const { backend, analyses, choice, set, panels } = world;
    const models = ['org/a', 'org/b', 'org/c'];
    let expected = 'org/m';
    const late: Request[] = [];
    const ready = new Set<unknown>();
    const running: Promise<unknown>[] = [];

    const wanted = (path: string): Asked => {
      const { model, dtype, device } = choice.settingsFor();
      return { model: path.endsWith(PINNED) ? OWN : model, dtype, device };
    };
    const check = () => {
      const loads = open(LOAD_MODEL);
      expect(loads.length).toBeLessThanOrEqual(1);
      expect(loads.every(({ params }) => params['source'] === choice.pending?.chosen.source)).toBe(true);
      for (const { params } of open(ANALYZE)) {
        const { model, dtype, device } = wanted(params['prompt'] === 'pinned' ? PINNED : '');
        expect(params).toMatchObject({ source: model, dtype, device });
      }
      for (const [index, fake] of createdPanels.entries()) {
        for (const message of fake.sent.splice(0) as { type: string; runId: string }[]) {
          if (message.type !== 'analysis') continue;
          const { model, dtype, device } = wanted(panels.all()[index]?.uri?.path ?? '');
          expect(JSON.parse(message.runId)).toEqual([model, dtype, device, expect.anything()]);
        }
      }
    };
    const finish = (request: Request, failure?: Failure) => {
      backend.requests.splice(backend.requests.indexOf(request), 1);
      if (failure) request.reject(failure);
      else request.resolve(request.method === ANALYZE ? answer(request) : {});
    };
    const deeds: (() => unknown)[] = [
      () => {
        const source = oneOf(models);
        const taken = choose(source).then(
          (counts) => void (counts && (expected = source)),
          () => undefined,
        );
        running.push(taken);
      },
      () => running.push(choice.set('dtype', oneOf(['auto', 'float32', 'bfloat16']))),
      () => running.push(choice.set('device', oneOf(['cpu', 'cuda:0']))),
      () => {
        set['model'] = expected = oneOf(models);
        choice.heed();
      },
      () => running.push(world.run('free', '/p/a.prompt')),
      () => running.push(world.run('pinned', `/p/${PINNED}`)),
      () => running.push(world.follow('free')),
      () => backend.requests.length > 0 && finish(oneOf(backend.requests)),
      () => backend.requests.length > 0 && finish(oneOf(backend.requests)),
      () => backend.requests.length > 0 && finish(oneOf(backend.requests), new Failure('internal', 'It broke.')),
      // the person calls off the load, or the analyses
      () => open(LOAD_MODEL).forEach((load) => finish(load, cancelled())),
      () => analyses.cancel(),
      // a part of the answer, and a word of how far it is, which may come late
      () => {
        const request = backend.requests.find(({ method }) => method === ANALYZE) ?? late[0];
        if (!request) return;
        late.push(request);
        request.options.onPartial?.(answer(request));
        request.options.onProgress?.({ message: 'layer 3', fraction: 0.3 });
      },
      // the backend is restarted, or another one is joined
      () => {
        analyses.cancel();
        choice.keepUnloaded();
        for (const request of [...backend.requests]) finish(request, new Failure('backendStopped', 'It ended.'));
      },
    ];
    for (let step = 0; step < 40; step++) {
      oneOf(deeds)();
      // a page that is there hears all that is shown
      for (const fake of createdPanels.filter((one) => !ready.has(one))) {
        ready.add(fake);
        fake.says({ type: 'ready' });
      }
      await ticks();
      check();
    }
    while (backend.requests.length > 0) {
      finish(backend.requests[0] as Request);
      await ticks();
      check();
    }
    await Promise.all(running);
    expect(analyses.jobs).toEqual([]);
    expect(choice.pending).toBeNull();
    expect(choice.settingsFor().model).toBe(expected);
  }
});

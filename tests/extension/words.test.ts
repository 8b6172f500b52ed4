/** Small pure functions that put states, failures and choices into words. */
import { describe, expect, it } from 'vitest';
import type { Health, ListModelsResult, ModelInfo } from '../../extension/shared/protocol';
import { readProgress } from '../../extension/src/link/connection';
import { Failure, isCancelled, toFailure } from '../../extension/src/failure';
import { heldView, modelView, statusView } from '../../extension/src/backend/health';
import { deviceItems, dtypeItems } from '../../extension/src/commands/computeItems';
import { modelSections, refuseHubId, typedItem } from '../../extension/src/commands/modelItems';
import type { Place, Target } from '../../extension/src/remote/target';
import type { BackendStatus } from '../../extension/src/backend/backend';
import { modelName, sizeText } from '../../extension/src/words';
import { RecentModels } from '../../extension/src/models/recentModels';
import { actionsFor } from '../../extension/src/panel/failureMessage';
import { checkSettings } from '../../extension/src/settings';
import { shortModel } from '../../extension/shared/modelName';
import names from '../vectors/names/models.json';

const MODEL = { source: 'org/m', name: 'm', device: 'cuda:0', dtype: 'bfloat16' } as ModelInfo;
const HEALTH: Health = {
  instance: 'a',
  processId: 1,
  host: 'here',
  protocolVersion: 1, packageVersion: '0.1.0', state: 'ready', message: 'Ready.', remedy: '', python: '3.12', torch: '2', transformers: '5', devices: [], loaded: [],
  traces: { nRuns: 0, heldBytes: 0, budgetBytes: 2e9 },
}; // prettier-ignore

describe('the status item', () => {
  const running = (health: Partial<Health>) =>
    statusView({ phase: 'running', health: { ...HEALTH, ...health }, failure: null }, '');

  it('names the model and rests while nothing runs', () => {
    const view = statusView({ phase: 'stopped', health: null, failure: null }, '/models/gpt2/');
    expect(view).toMatchObject({
      text: 'gpt2',
      busy: false,
      severity: 'information',
      command: { title: 'Select Model' },
    });
  });

  it('shows model, device and what is done', () => {
    expect(running({ loaded: [MODEL] })).toMatchObject({ text: 'm', detail: 'cuda:0 · bfloat16', busy: false });
    expect(running({ loaded: [MODEL], state: 'busy', message: 'Analyzing.' })).toMatchObject({
      detail: 'cuda:0 · bfloat16 · Analyzing',
      busy: true,
    });
    expect(running({ state: 'starting', message: '' })).toMatchObject({
      text: 'smollm2-135m…',
      detail: 'not loaded · loading PyTorch',
      busy: true,
    });
  });

  it('says how many analyses are held, and in how much memory', () => {
    const held = (nRuns: number) => {
      const traces = { nRuns, heldBytes: 3.2e8, budgetBytes: 2e9 };
      return heldView({ phase: 'running', health: { ...HEALTH, traces }, failure: null });
    };
    expect(held(1)).toEqual({ text: '1 analysis held', detail: '320 MB of 2.0 GB' });
    expect(held(7)?.text).toBe('7 analyses held');
    expect(held(0)).toBe(null);
  });

  it('turns an error into the command that helps', () => {
    expect(running({ state: 'error', message: 'torch is missing.' })).toMatchObject({
      severity: 'error',
      detail: 'torch is missing.',
      command: { title: 'Set Up Backend' },
    });
    const failed = (kind: 'backendMissing' | 'backendStopped') =>
      statusView({ phase: 'failed', health: null, failure: new Failure(kind, 'x') }, '');
    expect(failed('backendMissing')).toMatchObject({ severity: 'warning', command: { title: 'Set Up Backend' } });
    expect(failed('backendStopped')).toMatchObject({ severity: 'error', command: { title: 'Restart Backend' } });
  });

  it.each(names)('shortens %j to %j, as the backend does', (name, short) => expect(shortModel(name)).toBe(short));

  it('names the model that comes with the backend where none is named, and never draws an icon', () => {
    expect(['', 'a/$(x)'].map(modelName)).toEqual(['smollm2-135m…', '$\u200b(x)']);
  });
});

describe('the model in the status bar', () => {
  const view = (source: string, more: Partial<BackendStatus> = {}, isLoading = false, host = '') =>
    modelView(
      { phase: 'running', health: { ...HEALTH, loaded: [MODEL] }, failure: null, ...more },
      { source, isOfFile: false, isLoading },
      host ? ({ host } as Target) : null,
    );

  it('has its device where it is loaded', () => {
    expect(view('org/m')).toMatchObject({ text: 'm · cuda:0', tooltip: expect.stringContaining('cuda:0 · bfloat16') });
    expect(view('org/m', {}, false, 'lab').text).toBe('m · lab cuda:0');
  });

  it('is the one that is meant, and not another that is loaded', () => {
    expect(view('org/other')).toMatchObject({ text: 'other', tooltip: expect.stringContaining('Not loaded') });
    expect(view('').text).toBe('smollm2-135m…');
    const embedded = { ...MODEL, source: '', name: 'smollm2-135m-instruct', device: 'cpu' };
    expect(view('smollm2-135m-instruct', { health: { ...HEALTH, loaded: [embedded] } }).text).toBe(
      'smollm2-135m… · cpu',
    );
  });

  it('says that it loads, or why there is no backend', () => {
    expect(view('org/other', {}, true).text).toBe('$(sync~spin) other · loading');
    const failure = new Failure('backendStopped', 'The backend ended.');
    const failed = view('org/m', { phase: 'failed', health: null, failure });
    expect(failed).toMatchObject({ text: '$(warning) m', tooltip: expect.stringContaining('The backend ended.') });
  });
});

describe('failures', () => {
  it('keep what the backend says', () => {
    const error = Object.assign(new Error('Too long.\nTraceback'), {
      code: -32803,
      data: { kind: 'promptTooLong', remedy: 'Shorten.' },
    });
    expect(toFailure(error)).toMatchObject({ kind: 'promptTooLong', message: 'Too long.', remedy: 'Shorten.' });
  });

  it.each([
    [{ code: -32800, message: 'x' }, 'cancelled'],
    [{ code: -32803, message: 'x', data: { kind: 'cancelled', remedy: '' } }, 'cancelled'],
    [{ code: -32097, message: 'Pending response rejected since connection got disposed' }, 'backendStopped'],
    [{ code: -32603, message: 'x', data: { kind: 'toString' } }, 'internal'],
    [new Error('plain'), 'internal'],
    ['text', 'internal'],
    [undefined, 'internal'],
  ])('are of a known kind: %j', (error, kind) => {
    expect(toFailure(error).kind).toBe(kind);
    expect(isCancelled(toFailure(error))).toBe(kind === 'cancelled');
  });

  it('have buttons with labels', () => {
    expect(actionsFor(new Failure('untrusted', 'x'))).toEqual([
      { action: 'manageTrust', label: 'Manage Workspace Trust' },
    ]);
    expect(actionsFor(new Failure('modelUnusable', 'x')).map(({ label }) => label)).toEqual([
      'Select Model',
      'Try Again',
      'Show Log',
    ]);
  });
});

describe('progress', () => {
  it.each([
    [
      { kind: 'begin', title: 'Analyzing' },
      { message: 'Analyzing', fraction: null },
    ],
    [
      { kind: 'report', message: 'layer 3', percentage: 10 },
      { message: 'layer 3', fraction: 0.1 },
    ],
    [
      { kind: 'report', percentage: 250 },
      { message: '', fraction: 1 },
    ],
    [{ kind: 'report' }, null],
    [{ kind: 'end' }, null],
    [null, null],
  ])('%j', (value, expected) => {
    expect(readProgress(value)).toEqual(expected);
  });
});

describe('the list of models', () => {
  const listed: ListModelsResult = {
    defaultSource: 'small',
    models: [
      {
        source: 'small',
        name: 'small',
        kind: 'embedded',
        loaded: true,
        sizeBytes: 540e6,
        family: 'llama',
        support: 'exact',
        base: '',
      },
      {
        source: 'org/big',
        name: 'org/big',
        kind: 'cached',
        loaded: false,
        sizeBytes: 0,
        family: 'llama',
        support: 'exact',
        base: '',
      },
    ],
  };

  const place: Place = { platform: 'linux', home: '/home/me' };
  const sections = (chosen: string, recent: string[] = [], list: ListModelsResult | null = listed) =>
    modelSections(list, chosen, recent, place).map(({ title, items }) => [title, ...items.map(({ label }) => label)]);
  const WAYS = [
    'another',
    '$(folder) Browse for a model folder…',
    '$(file-binary) Browse for a GGUF file…',
    '$(cloud-download) Enter a hub id…',
  ];

  it('marks the chosen one and ends with the ways to name another', () => {
    expect(sections('')).toEqual([['on this machine', '$(check) small', 'org/big'], WAYS]);
    expect(sections('org/big')).toEqual([['on this machine', 'small', '$(check) org/big'], WAYS]);
    expect(modelSections(listed, '', [], place)[0]?.items[0]).toMatchObject({
      description: 'loaded · comes with the backend · 540 MB',
      choice: { source: '' },
    });
  });

  it('begins with what was chosen before, once', () => {
    expect(sections('/m/a.gguf', ['/m/a.gguf', 'org/big', 'org/gone', 'small'])).toEqual([
      ['recent', '$(check) /m/a.gguf', 'org/big', 'org/gone'],
      ['on this machine', 'small'],
      WAYS,
    ]);
    const [recent] = modelSections(listed, '', ['org/big', 'org/gone', '/m/a.GGUF'], place);
    expect(recent?.items.map(({ description }) => description)).toEqual([
      'downloaded',
      'hub id, downloaded where it is missing',
      'GGUF file',
    ]);
  });

  it('shows a chosen one that the backend does not list, and works without a list', () => {
    expect(sections('/m/gpt2', [], null)).toEqual([['recent', '$(check) /m/gpt2'], WAYS]);
    expect(sections('', [], null)).toEqual([WAYS]);
  });

  it.each<[string, string, boolean]>([
    ['org/new', 'org/new', true],
    [' gpt2 ', 'gpt2', true],
    ['/m/x.gguf', '/m/x.gguf', false],
    ['~/models/x', '/home/me/models/x', false],
    ['"/m/with blanks"', '/m/with blanks', false],
  ])('offers what is typed: %s', (typed, source, allowDownload) => {
    expect(typedItem(typed, modelSections(listed, '', [], place), place)).toMatchObject({
      choice: { kind: 'model', source, allowDownload },
      alwaysShow: true,
    });
  });

  it.each(['', '  ', 'org/big', 'two words', '../up', 'C:\\m'])('offers nothing for "%s"', (typed) => {
    expect(typedItem(typed, modelSections(listed, '', [], place), place)).toBeNull();
  });

  it('knows the paths of Windows', () => {
    const windows: Place = { platform: 'win32', home: 'C:\\me' };
    expect(typedItem('C:\\m\\gpt2', [], windows)).toMatchObject({
      choice: { source: 'C:\\m\\gpt2', allowDownload: false },
    });
  });

  it('does not take text for icons', () => {
    expect(modelSections(null, '/m/$(sync)', [], place)[0]?.items[0]?.label).not.toContain('$(sync)');
  });

  it.each(['gpt2', 'openai-community/gpt2', 'Qwen/Qwen2.5-0.5B', 'a_b/c_d', 'a/b@main', 'a/b@feature/v1.0'])(
    'takes %s as a hub id',
    (id) => {
      expect(refuseHubId(id)).toBeNull();
    },
  );

  it.each([
    '',
    ' ',
    '/abs',
    'a/b/c',
    '../x',
    'a b',
    'https://hf.co/x',
    'a--b',
    '-x',
    'a/b@',
    'a/b@../x',
    'a/b@x y',
    'a@b@c',
  ])('refuses "%s" as a hub id', (id) => {
    expect(refuseHubId(id)).not.toBeNull();
  });
});

describe('recent models', () => {
  const memory = (kept: unknown) => {
    const values: Record<string, unknown> = { recentModels: kept };
    const update = (key: string, value: unknown) => Promise.resolve(void (values[key] = value));
    return { get: (key: string) => values[key], update, keys: () => [] } as never;
  };

  it('are the latest first, each once, not without end, and never the embedded one', async () => {
    const recent = new RecentModels(memory(undefined));
    for (const source of ['a', 'b', '', 'a', ...Array.from({ length: 8 }, (_, n) => `m${n}`)]) await recent.add(source);
    expect(recent.list()).toEqual(['m7', 'm6', 'm5', 'm4', 'm3', 'm2', 'm1', 'm0']);
    await recent.add('m3');
    expect(recent.list()).toEqual(['m3', 'm7', 'm6', 'm5', 'm4', 'm2', 'm1', 'm0']);
  });

  it('survive whatever was kept', () => {
    expect(new RecentModels(memory('junk')).list()).toEqual([]);
    expect(new RecentModels(memory([1, 'a', null])).list()).toEqual(['a']);
  });
});

describe('the lists of devices and number formats', () => {
  const devices = [
    { id: 'cpu', name: 'x86_64, 2 cores', memoryBytes: 16e9, freeBytes: 0 },
    { id: 'cuda:0', name: 'NVIDIA H100', memoryBytes: 85e9, freeBytes: 0 },
  ];

  it('mark what is set', () => {
    expect(deviceItems(devices, 'auto').map(({ label }) => label)).toEqual([
      '$(check) auto',
      'cpu',
      'cuda:0',
      'auto-map',
    ]);
    expect(deviceItems(devices, 'cuda:0')[2]).toEqual({
      label: '$(check) cuda:0',
      description: 'NVIDIA H100 · 85.0 GB',
      value: 'cuda:0',
    });
    expect(dtypeItems(['auto', 'float32'], 'float32').map(({ label }) => label)).toEqual(['auto', '$(check) float32']);
  });

  it('keep a device in sight that is set and not found', () => {
    expect(deviceItems(devices, 'cuda:7').at(-1)).toMatchObject({ label: '$(check) cuda:7', description: 'set now' });
    expect(deviceItems([], 'auto').map(({ value }) => value)).toEqual(['auto', 'cpu']);
  });

  it('know sizes', () => {
    expect([0, -1, Number.NaN, 4e5, 93e6, 1.5e9].map(sizeText)).toEqual(['', '', '', '1 MB', '93 MB', '1.5 GB']);
  });
});

describe('settings', () => {
  const check = (values: Record<string, unknown>) => checkSettings((key) => values[key]);

  it('have defaults', () => {
    expect(check({})).toEqual({
      idleMinutes: 30, liveDelay: 80, measuredEdges: 60, askAboveSeconds: 60, askAboveMb: 0, startsEarly: true, keepTrailingNewline: false, ssh: { program: '', configFile: '' }, remoteHosts: {},
      python: '', pipArguments: [], model: '', allowDownload: false, device: 'auto', dtype: 'auto', specialTokens: 'auto', topK: 10,
    }); // prettier-ignore
  });

  it('of the wrong kind count as unset', () => {
    const wrong = {
      'backend.python': 1,
      'backend.pipArguments': ['-v', 2],
      model: null,
      'models.allowDownload': 'yes',
      device: '',
      dtype: 'int4',
      specialTokens: 'eos',
      topK: 2.5,
    };
    expect(check(wrong)).toEqual({ ...check({}), pipArguments: ['-v'] });
    expect(check({ topK: 1000 }).topK).toBe(100);
    const measured = (value: unknown) => check({ 'effects.measure': value }).measuredEdges;
    expect([0, 20.7, 1000, -1, '60', Number.NaN].map(measured)).toEqual([0, 20, 400, 60, 60, 60]);
  });
});

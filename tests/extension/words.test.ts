/** Small pure functions that put states, failures and choices into words. */
import { describe, expect, it } from 'vitest';
import type { Health, ListModelsResult, ModelInfo } from '../../extension/shared/protocol';
import { readProgress } from '../../extension/src/backend/connection';
import { Failure, isCancelled, toFailure } from '../../extension/src/backend/failure';
import { shortName, statusView } from '../../extension/src/backend/health';
import { modelItems, refuseHubId } from '../../extension/src/commands/modelItems';
import { actionsFor } from '../../extension/src/panel/failureMessage';
import { checkSettings } from '../../extension/src/settings';

const MODEL = { source: 'org/m', name: 'm', device: 'cuda:0', dtype: 'bfloat16' } as ModelInfo;
const HEALTH: Health = {
  protocolVersion: 1, packageVersion: '0.1.0', state: 'ready', message: 'Ready.', remedy: '', python: '3.12', torch: '2', transformers: '5', devices: [], loaded: [],
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
      text: 'Embedded model',
      detail: 'not loaded · loading PyTorch',
      busy: true,
    });
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

  it('shortens hub ids and paths of any platform', () => {
    expect(['openai-community/gpt2', 'C:\\m\\gpt2\\', '/m/x.gguf', ''].map(shortName)).toEqual([
      'gpt2',
      'gpt2',
      'x.gguf',
      'Embedded model',
    ]);
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
      { source: 'small', name: 'small', kind: 'embedded', loaded: true, sizeBytes: 540e6 },
      { source: 'org/big', name: 'org/big', kind: 'cached', loaded: false, sizeBytes: 0 },
    ],
  };

  it('marks the chosen one and ends with the ways to name another', () => {
    const labels = modelItems(listed, '').map(({ label }) => label);
    expect(labels.slice(0, 2)).toEqual(['$(check) small', 'org/big']);
    expect(labels).toHaveLength(5);
    expect(modelItems(listed, '')[0]).toMatchObject({
      description: 'loaded · comes with the backend · 0.5 GB',
      choice: { source: '' },
    });
    expect(modelItems(listed, 'org/big').map(({ label }) => label)[1]).toBe('$(check) org/big');
  });

  it('shows a chosen one that the backend does not list, and works without a list', () => {
    expect(modelItems(null, '/m/gpt2')[0]).toMatchObject({
      label: '$(check) /m/gpt2',
      choice: { kind: 'model', source: '/m/gpt2' },
    });
    expect(modelItems(null, '').map(({ choice }) => choice.kind)).toEqual(['folder', 'file', 'hub']);
  });

  it.each(['gpt2', 'openai-community/gpt2', 'Qwen/Qwen2.5-0.5B', 'a_b/c_d'])('takes %s as a hub id', (id) => {
    expect(refuseHubId(id)).toBeNull();
  });

  it.each(['', ' ', '/abs', 'a/b/c', '../x', 'a b', 'https://hf.co/x', 'a--b', '-x'])(
    'refuses "%s" as a hub id',
    (id) => {
      expect(refuseHubId(id)).not.toBeNull();
    },
  );
});

describe('settings', () => {
  const check = (values: Record<string, unknown>) => checkSettings((key) => values[key]);

  it('have defaults', () => {
    expect(check({})).toEqual({
      python: '', pipArguments: [], model: '', allowDownload: false, device: 'auto', dtype: 'auto', specialTokens: 'auto', topK: 10,
    }); // prettier-ignore
  });

  it('of the wrong kind count as not set', () => {
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
  });
});

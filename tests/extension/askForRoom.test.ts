import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Backend } from '../../extension/src/backend/backend';
import { toFailure } from '../../extension/src/failure';
import { askForRoom } from '../../extension/src/commands/askForRoom';
import { modelSections } from '../../extension/src/commands/modelItems';
import { ModelChoice } from '../../extension/src/models/modelChoice';
import { loadModel, selectModel } from '../../extension/src/commands/selectModel';
import { actionsFor } from '../../extension/src/panel/failureMessage';
import { checkSettings, storeSetting, trustedModels } from '../../extension/src/settings';
import type { App } from '../../extension/src/app';
import type { ListedModel } from '../../extension/shared/protocol';
import { commands, quickPicks, shown } from './vscode.fake';

const MESSAGE = 'big needs about 15.2 GB in float32; 9.1 GB are free on cpu.';
const tooLarge = () => ({
  code: -32803,
  message: MESSAGE,
  data: { kind: 'tooLarge', remedy: 'Choose a smaller dtype.', neededBytes: 15.2e9, freeBytes: 9.1e9 },
});

let sent: Record<string, unknown>[];
const sending = (refusals: number) => (params: object) => {
  sent.push({ ...params });
  return sent.length <= refusals ? Promise.reject(tooLarge()) : Promise.resolve('loaded');
};

beforeEach(() => {
  sent = [];
  shown.warnings.length = shown.answers.length = shown.errors.length = quickPicks.length = 0;
  shown.machine = {};
  shown.workspace = {};
  shown.settings = {};
  vi.restoreAllMocks();
});

describe('a model that is too large', () => {
  it('is asked about with the numbers, and loaded anyway when that is chosen', async () => {
    shown.answers.push('Load Anyway');
    expect(await askForRoom(sending(1))).toBe('loaded');
    expect(shown.warnings).toMatchObject([
      {
        text: 'The model needs 15.2 GB, 9.1 GB free. Load it anyway?',
        modal: true,
        offered: ['Load Anyway', 'Choose a Smaller Precision'],
      },
    ]);
    expect(shown.warnings[0]?.detail).toContain(MESSAGE);
    expect(sent.map(({ anyway }) => anyway)).toEqual([undefined, true]);
  });

  it('is tried in the precision that is chosen, and asked about again', async () => {
    vi.spyOn(commands, 'executeCommand').mockImplementation((name) => {
      expect(name).toBe('lmTransparency.selectDtype');
      shown.settings['dtype'] = 'bfloat16';
      return Promise.resolve(true);
    });
    shown.answers.push('Choose a Smaller Precision', 'Load Anyway');
    expect(await askForRoom(sending(2))).toBe('loaded');
    expect(sent.map(({ dtype, anyway }) => [dtype, anyway])).toEqual([
      [undefined, undefined],
      ['bfloat16', undefined],
      ['bfloat16', true],
    ]);
  });

  it('stays away when neither is chosen, and the panel says what helps', async () => {
    await expect(askForRoom(sending(9))).rejects.toMatchObject({ kind: 'tooLarge', message: MESSAGE });
    shown.answers.push('Choose a Smaller Precision');
    await expect(askForRoom(sending(9))).rejects.toMatchObject({ kind: 'tooLarge' });
    expect(sent).toHaveLength(2);
    expect(actionsFor(toFailure(tooLarge())).map(({ action }) => action)).toContain('selectDtype');
  });

  it('is not kept as the choice, and is reported once', async () => {
    const request = vi.fn((method: string) =>
      method.endsWith('listModels') ? Promise.resolve({ models: [], defaultSource: '' }) : askForRoom(sending(9)),
    );
    const backend = { request, sessionId: 1 } as unknown as Backend;
    const log = { error: vi.fn() };
    const choice = new ModelChoice({
      read: () => checkSettings(() => undefined),
      load: (chosen) => Promise.resolve(loadModel(backend, chosen)),
      store: storeSetting,
    });
    const done = selectModel({
      backend,
      choice,
      log,
      recent: { list: () => [] },
      targets: { place: () => '' },
    } as unknown as App)();
    await new Promise((resolve) => setTimeout(resolve, 0));
    quickPicks[0]?.types('org/big');
    quickPicks[0]?.accepts('$(cloud-download)');
    expect(await done).toBe(false);
    expect(shown.warnings).toHaveLength(1);
    expect(shown.errors).toEqual([]);
    expect(shown.settings).toEqual({});
  });

  it('is no question for what fails otherwise', async () => {
    const failing = () => Promise.reject({ code: -1, message: 'x', data: { kind: 'outOfMemory', remedy: '' } });
    await expect(askForRoom(failing)).rejects.toMatchObject({ kind: 'outOfMemory', memory: null });
    expect(shown.warnings).toEqual([]);
  });
});

describe('models whose own code may be run', () => {
  it('are those that this machine names', async () => {
    shown.machine['models.trustRemoteCode'] = ['org/a', '/m/b', 3, ''];
    expect(trustedModels()).toEqual(['org/a', '/m/b']);
    await askForRoom(sending(0));
    expect(sent).toEqual([{ trustRemoteCode: ['org/a', '/m/b'] }]);
  });

  it('are none that a workspace names, and none by a value of another kind', () => {
    shown.workspace['models.trustRemoteCode'] = ['org/evil'];
    shown.settings['models.trustRemoteCode'] = ['org/evil'];
    expect(trustedModels()).toEqual([]);
    for (const value of ['org/evil', true, { 0: 'org/evil' }, null]) {
      shown.machine['models.trustRemoteCode'] = value;
      expect(trustedModels()).toEqual([]);
    }
  });
});

describe('the list of models', () => {
  it('says of what an adapter is, and what cannot be analyzed', () => {
    const model = (changes: Partial<ListedModel>): ListedModel => ({
      ...{ source: 's', name: 'n', kind: 'cached', loaded: false, sizeBytes: 2e9, family: 'llama', support: 'exact', base: '' },
      ...changes,
    }); // prettier-ignore
    const models = [
      model({ source: 'a', kind: 'adapter', family: 'LORA', base: 'org/base', support: 'unknown' }),
      model({ source: 'b', family: 'mamba', support: 'refused' }),
      model({ source: 'c', kind: 'gguf' }),
    ];
    const place = { platform: 'linux', home: '/home/me' } as const;
    const [section] = modelSections({ models, defaultSource: '' }, 'a', [], place);
    expect(section?.items.map(({ description }) => description)).toEqual([
      'LORA adapter of org/base · 2.0 GB',
      'downloaded · 2.0 GB · cannot be analyzed',
      'GGUF file · 2.0 GB',
    ]);
  });
});

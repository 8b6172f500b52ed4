import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Backend } from '../../extension/src/backend/backend';
import { EarlyStart } from '../../extension/src/editor/earlyStart';
import { happens, shown, workspace } from './vscode.fake';

let start: ReturnType<typeof vi.fn>;
let phase: string;
let host: object | null;
let early: EarlyStart | null;

/** Opens a document in a window whose extension has just been activated. */
function open(languageId: string): void {
  const backend = { start, get status() { return { phase }; } } as unknown as Backend; // prettier-ignore
  early = new EarlyStart(backend, { current: host } as never, () => undefined);
  workspace.textDocuments = [{ languageId }];
  happens.opened.fire(workspace.textDocuments[0]);
}

beforeEach(() => {
  start = vi.fn(() => Promise.reject(new Error('there is no interpreter')));
  phase = 'stopped';
  host = null;
  workspace.textDocuments = [];
});

afterEach(() => {
  early?.dispose();
  workspace.isTrusted = true;
  workspace.textDocuments = [];
  shown.settings = {};
  shown.errors.length = 0;
});

describe('an early start', () => {
  it.each(['lm-prompt', 'lm-chat', 'lm-prompts', 'lm-prompts-jsonl'])(
    'comes with a file of %s, silently',
    async (id) => {
      open(id);
      await Promise.resolve();
      expect(start).toHaveBeenCalledOnce();
      expect(shown.errors).toEqual([]);
    },
  );

  it('does not come with any other file', () => {
    open('markdown');
    expect(start).not.toHaveBeenCalled();
  });

  it('waits for trust', () => {
    workspace.isTrusted = false;
    open('lm-prompt');
    expect(start).not.toHaveBeenCalled();
    workspace.isTrusted = true;
    early?.look();
    expect(start).toHaveBeenCalledOnce();
  });

  it('is not tried again after a failure, and not needed where the backend runs', () => {
    for (phase of ['failed', 'starting', 'running', 'reconnecting']) {
      open('lm-prompt');
      early?.dispose();
    }
    expect(start).not.toHaveBeenCalled();
  });

  it('wakes no other machine, and none where it is switched off', () => {
    host = { host: 'gpubox' };
    open('lm-prompt');
    early?.dispose();
    host = null;
    shown.settings = { 'editor.startBackend': false };
    open('lm-prompt');
    expect(start).not.toHaveBeenCalled();
  });
});

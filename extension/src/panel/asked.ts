import type { PromptSettings } from '../../shared/protocol';
import type { Settings } from '../settings';
import type { Asked } from './resultStore';

/** How an analysis is asked for. What the prompt's file says counts before the settings. */
export function askedBy(settings: Settings, file: PromptSettings, source = file.model): Asked {
  const { model, allowDownload, dtype, device, specialTokens, topK } = settings;
  return {
    ...{ source: source ?? model, allowDownload, dtype, device, topK },
    specialTokens: file.specialTokens ?? specialTokens,
  };
}

/** Whether two analyses of a prompt would say the same. */
export function meansTheSame(one: Asked, other: Asked): boolean {
  const keys = ['source', 'dtype', 'device', 'specialTokens', 'topK'] as const;
  return keys.every((key) => one[key] === other[key]);
}

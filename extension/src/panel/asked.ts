import type { PromptSettings } from '../../shared/protocol';
import type { Settings } from '../settings';
import type { Asked } from './resultStore';

/** How an analysis is requested. The prompt's file overrides the settings. */
export function askedBy(settings: Settings, file: PromptSettings, source = file.model): Asked {
  const { model, allowDownload, dtype, device, specialTokens, topK } = settings;
  return {
    ...{ source: source ?? model, allowDownload, dtype, device, topK },
    specialTokens: file.specialTokens ?? specialTokens,
  };
}

/** Whether two requests for a prompt would give the same analysis. */
export function meansTheSame(one: Asked, other: Asked): boolean {
  const keys = ['source', 'dtype', 'device', 'specialTokens', 'topK'] as const;
  return keys.every((key) => one[key] === other[key]);
}

import type * as vscode from 'vscode';
import { type FailureKind, toFailure } from '../failure';
import { type Cancel, CancelSource } from '../cancel';
import type { Settings } from '../settings';
import { Signal } from '../signal';

/** A model that a person names. A hub id that was just typed is asked for: it may be downloaded. */
export interface Chosen {
  source: string;
  allowDownload: boolean;
}

/** The choice whose model is being loaded. */
export interface Pending {
  readonly chosen: Chosen;
  /** Rejects with a `Failure` if the model cannot be loaded or is no longer wanted. */
  readonly loaded: Promise<unknown>;
}

/** What a choice needs of the extension. */
export interface ChoiceWorld {
  read(uri?: vscode.Uri): Settings;
  /** Loads a model as the settings say at that moment. Rejects with a `Failure`. */
  load(chosen: Chosen, cancel: Cancel): Promise<unknown>;
  store(key: 'model' | 'device' | 'dtype', value: string): Promise<void>;
}

interface Loading extends Pending {
  source: CancelSource;
  /** Begins to load again, as the settings say now. */
  renew: () => void;
  stands: boolean;
}

/** A choice counts without a backend too: the model is loaded once there is one. */
const NO_BACKEND: ReadonlySet<FailureKind> = new Set<FailureKind>(['backendMissing', 'untrusted']);

/**
 * The model that analyses are made with. A choice counts from the moment it is made, and is remembered once its model
 * is loaded; a newer one takes its place, and ends its load.
 */
export class ModelChoice {
  /** What an analysis is to be asked with may be another from now on. */
  readonly changed = new Signal<void>();
  /** The model that was chosen is loaded, or has failed: none is pending. */
  readonly settled = new Signal<void>();
  #loading: Loading | null = null;
  #known: Pick<Settings, 'model' | 'device' | 'dtype'>;
  #stored: Promise<void> = Promise.resolve();

  constructor(private readonly world: ChoiceWorld) {
    this.#known = world.read();
  }

  get pending(): Pending | null {
    return this.#loading;
  }

  /** The settings, with the choice that is being loaded in them. */
  settingsFor(uri?: vscode.Uri): Settings {
    const settings = this.world.read(uri);
    const chosen = this.#loading?.chosen;
    if (!chosen) return settings;
    return { ...settings, model: chosen.source, allowDownload: settings.allowDownload || chosen.allowDownload };
  }

  /** Loads a model and remembers it. Resolves with whether it counts: a newer choice takes its place. Rejects with a `Failure`. */
  async take(chosen: Chosen): Promise<boolean> {
    this.#loading?.source.cancel();
    const loading = this.#begin(chosen);
    this.#loading = loading;
    this.changed.fire();
    try {
      await loading.loaded;
    } catch (error) {
      if (this.#loading !== loading) return false;
      const failure = toFailure(error);
      if (!loading.stands && !NO_BACKEND.has(failure.kind)) {
        this.#settle();
        throw failure;
      }
    }
    return this.#remember(loading);
  }

  /** Has the choice that is being loaded count without its load: its backend goes away. */
  keepUnloaded(): void {
    if (!this.#loading) return;
    this.#loading.stands = true;
    this.#loading.source.cancel();
  }

  /** Chooses where models are loaded, or in which precision. */
  async set(key: 'device' | 'dtype', value: string): Promise<void> {
    const isNew = this.#known[key] !== value;
    this.#known = { ...this.#known, [key]: value };
    await this.world.store(key, value);
    if (isNew) this.#loading?.renew();
    this.changed.fire();
  }

  /** Settings have changed. One that was written by hand is a choice as well; whether there was such a one. */
  heed(): boolean {
    const before = this.#known;
    const now = this.world.read();
    this.#known = now;
    const isOther = (key: keyof typeof before) => now[key] !== before[key];
    const loading = this.#loading;
    if (loading && isOther('model') && now.model !== loading.chosen.source) {
      this.#loading = null;
      loading.source.cancel();
    } else if (isOther('device') || isOther('dtype')) {
      loading?.renew();
    }
    this.changed.fire();
    return isOther('model') || isOther('device') || isOther('dtype');
  }

  #begin(chosen: Chosen): Loading {
    const source = new CancelSource();
    const loading: Loading = { chosen, source, stands: false, renew: () => undefined, loaded: Promise.resolve() };
    const load = async (): Promise<void> => {
      for (;;) {
        const attempt = new CancelSource(source.token);
        let isRenewed = false;
        loading.renew = () => {
          isRenewed = true;
          attempt.cancel();
        };
        try {
          await this.world.load(chosen, attempt.token);
          if (!isRenewed) return;
        } catch (error) {
          if (!isRenewed || source.token.isCancellationRequested) throw error;
        } finally {
          attempt.dispose();
        }
      }
    };
    const loaded = load();
    // those waiting for it are notified
    loaded.catch(() => undefined);
    return Object.assign(loading, { loaded });
  }

  /** One after the other, so that the last choice is stored last. */
  async #remember(loading: Loading): Promise<boolean> {
    const isLast = () => this.#loading === loading;
    const { source } = loading.chosen;
    const storing = this.#stored.then(async () => {
      if (!isLast()) return;
      // that this setting changes is no other choice
      this.#known = { ...this.#known, model: source };
      await this.world.store('model', source);
    });
    this.#stored = storing.catch(() => undefined);
    try {
      await storing;
      return isLast();
    } finally {
      if (isLast()) this.#settle();
    }
  }

  #settle(): void {
    this.#loading = null;
    this.settled.fire();
  }
}

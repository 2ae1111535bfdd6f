// Texts of offers of ownership, for which pages of anything else do not wait.
import { transfers as en } from "./transfers.en.ts";
import { transfers as pl } from "./transfers.pl.ts";
import { extend } from "./translate.ts";

extend({ en, pl });

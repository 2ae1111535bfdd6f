// Texts of farms, for which pages of anything else do not wait.
import { farms as en } from "./farms.en.ts";
import { farms as pl } from "./farms.pl.ts";
import { extend } from "./translate.ts";

extend({ en, pl });

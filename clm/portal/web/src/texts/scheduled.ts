// Texts of jobs, for which pages of anything else do not wait.
import { jobs as en } from "./jobs.en.ts";
import { jobs as pl } from "./jobs.pl.ts";
import { extend } from "./translate.ts";

extend({ en, pl });

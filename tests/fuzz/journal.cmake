bulkmail_fuzz(journal bulkmail_spool)

bulkmail_fuzz(drop bulkmail_spool)

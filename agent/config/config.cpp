namespace bulkmail::agent { }

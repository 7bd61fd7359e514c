//! keyvault
